"""A stand-in for Slack's Discovery API: an organisation of workspaces, conversations with messages, and records of what was edited and deleted.

    slack.py SEED

What of it no public document says, it does in every way that is known: the form of a record of a deletion is drawn.
"""

import sys
import time

from base import Problem, Standin, serve


class Slack(Standin):
    def __init__(self, seed):
        super().__init__(seed)
        self.clock = 1767600000_000000
        self.users, self.chats = [], {}
        self.seen, self.first = {}, {}
        for number in range(self.random.randint(2, 8)):
            self.users.append({
                "id": f"U{number:05d}",
                "name": f"user{number}",
                "real_name": f"User {number}",
                "profile": {"email": f"user{number}@desk.example"},
                "deleted": number == 1,
                "is_bot": False,
                "teams": ["T00001"],
            })
        self.teams = ["T00001", "T00002"][: self.random.randint(1, 2)]
        for number in range(self.random.randint(2, 7)):
            kind = self.random.choice(["channel", "private", "im", "mpim"])
            team = self.random.choice([None, *self.teams]) if kind in ("channel", "private") else None
            members = self.random.sample([user["id"] for user in self.users], 2 if kind == "im" else self.random.randint(1, len(self.users)))
            left = self.random.sample([user["id"] for user in self.users if user["id"] not in members], 0 if len(members) == len(self.users) else 1)
            self.chats[f"C{number:05d}"] = {"kind": kind, "team": team, "members": members, "left": left, "messages": [], "edits": []}
        for _ in range(self.random.randint(5, 60)):
            self.post(self.random.choice(list(self.chats)), False)
        for _ in range(self.random.randint(0, 10)):
            self.alter(False)

    def ts(self, is_live):
        step = self.random.randint(1, 100_000000)
        self.clock = max(self.clock + self.random.randint(1, 999), int(time.time() * 1_000_000)) if is_live else self.clock + step
        return f"{self.clock // 1_000_000}.{self.clock % 1_000_000:06d}"

    def post(self, chat, is_live):
        about = self.chats[chat]
        message = {"type": "message", "user": self.random.choice(about["members"]), "text": self.text(), "ts": self.ts(is_live), "team": "T00001"}
        if about["messages"] and self.random.random() < 0.3:
            message["thread_ts"] = self.random.choice(about["messages"])["ts"]
        about["messages"].append(message)

    def alter(self, is_live):
        chats = [about for about in self.chats.values() if about["messages"]]
        if not chats:
            return
        about = self.random.choice(chats)
        message = self.random.choice(about["messages"])
        at = self.ts(is_live)
        if self.random.random() < 0.6:
            message["text"] = self.text()
            message["edited"] = {"user": message["user"], "ts": at.split(".")[0] + ".000000"}
            record = {name: value for name, value in message.items() if name != "edited"}
            form = self.random.randrange(2)
            if form == 0:
                record.update(ts=at, original_ts=message["ts"])
            else:
                record = {"type": "message", "subtype": "message_changed", "ts": at, "message": dict(message)}
            about["edits"].append({"at": at, "of": message["ts"], "kind": "edit", "user": message["user"], "text": message["text"], "record": record})
        else:
            about["messages"].remove(message)
            form = self.random.randrange(3)
            if form == 0:
                record = {"type": "message", "subtype": "message_deleted", "ts": at, "deleted_ts": message["ts"], "user": message["user"]}
            elif form == 1:
                record = {**message, "ts": at, "original_ts": message["ts"], "is_deleted": True}
            else:
                record = {"type": "message", "subtype": "message_deleted", "ts": at, "original_ts": message["ts"], "user": message["user"], "text": message["text"]}
            about["edits"].append({"at": at, "of": message["ts"], "kind": "delete", "user": message["user"], "text": "", "record": record})

    def change(self):
        for _ in range(self.random.randint(0, 15)):
            if self.random.random() < 0.5:
                self.post(self.random.choice(list(self.chats)), True)
            else:
                self.alter(True)
        return True

    def settle(self):
        for chat, about in self.chats.items():
            if chat in self.settings["forbidden"]:
                continue
            of = self.seen.setdefault(chat, set())
            for message in about["messages"]:
                text = self.first.setdefault((chat, message["ts"]), message["text"])
                of.add(("message", message["ts"], self.millis(message["ts"]), message["user"], text))
            for edit in about["edits"]:
                of.add((edit["kind"], edit["of"], self.millis(edit["at"]), edit["user"], edit["text"]))
        return True

    def millis(self, ts):
        seconds, micros = ts.split(".")
        return int(seconds) * 1000 + int(micros) // 1000

    def dump(self):
        chats = {}
        for chat, events in self.seen.items():
            if not events:
                continue
            about = self.chats[chat]
            types = {"channel": "channel", "private": "channel", "im": "oneOnOne", "mpim": "group"}
            chats[chat] = {"events": sorted(map(list, events)), "copies": [], "members": sorted(about["members"]), "type": types[about["kind"]]}
        return {"chats": chats, "users": self.users, "readers": []}

    def answer(self, method, path, query, headers, body):
        if headers.get("Authorization") != "Bearer xoxp-s3cret":
            return {"ok": False, "error": "invalid_auth"}
        self.throttled()
        if self.settings.get("refuse"):
            return {"ok": False, "error": self.settings["refuse"]}
        method = path.rsplit("/", 1)[1]
        match method:
            case "discovery.enterprise.info":
                teams = [{"id": team, "name": team} for team in self.teams]
                return {"ok": True, "enterprise": {"id": "E1", "name": "Org", "teams": teams}, "response_metadata": {"next_cursor": ""}}
            case "discovery.users.list":
                return self.listed("users", self.users, query)
            case "discovery.conversations.list":
                return self.listed("channels", [self.channel(chat) for chat, about in self.chats.items() if about["team"] == query.get("team")], query)
            case "discovery.conversations.members":
                about = self.chat(query)
                members = [{"id": user, "date_joined": 1767600000, "date_left": 0} for user in about["members"]]
                return self.listed("members", members + [{"id": user, "date_joined": 1767600000, "date_left": 1767700000} for user in about["left"]], query)
            case "discovery.conversations.history":
                about = self.chat(query)
                return {**self.newest("messages", [(message["ts"], message) for message in about["messages"]], query), "has_edits": bool(about["edits"])}
            case "discovery.conversations.edits":
                return self.newest("edits", [(edit["at"], edit["record"]) for edit in self.chat(query)["edits"]], query)
        return {"ok": False, "error": "unknown_method"}

    def chat(self, query):
        about = self.chats.get(query.get("channel"))
        if about is None or about["team"] != query.get("team") or query["channel"] in self.settings["forbidden"]:
            raise Problem(200, {"ok": False, "error": "channel_not_found"})
        return about

    def channel(self, chat):
        about = self.chats[chat]
        name = {"im": chat, "mpim": "mpdm-user0--user1-1"}.get(about["kind"], f"name-{chat.lower()}")
        is_im = {"is_im": True} if about["kind"] == "im" else {}
        return {"id": chat, "name": name, "created": 1532393077, "is_private": about["kind"] != "channel", "is_mpim": about["kind"] == "mpim", "is_archived": False, **is_im}

    def listed(self, name, elements, query):
        start = int(query.get("offset", 0))
        size = min(self.settings["page"], int(query.get("limit", 1000)))
        answer = {"ok": True, name: elements[start:start + size]}
        if start + size < len(elements):
            answer["offset"] = str(start + size)
        return answer

    def newest(self, name, elements, query):
        """Between the two bounds, and neither of them."""
        elements = sorted(elements, key=lambda one: one[0], reverse=True)
        elements = [one for one in elements if query.get("oldest", "") < one[0] and ("latest" not in query or one[0] < query["latest"])]
        size = min(self.settings["page"], int(query.get("limit", 1000)))
        answer = {"ok": True, name: [element for _, element in elements[:size]]}
        if len(elements) > size:
            answer["offset"] = elements[size - 1][0]
        return answer


if __name__ == "__main__":
    serve(Slack(int(sys.argv[1])))
