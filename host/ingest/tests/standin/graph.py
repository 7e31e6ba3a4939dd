"""A stand-in for Microsoft Graph: tokens, users, chats with members, teams with channels, and each user's export with its delta.

    graph.py SEED
"""

import datetime
import json
import sys
import time
import urllib.parse
import uuid

from base import Problem, Standin, serve

TENANT = "9854dc85-3fb3-4f8e-a055-9cdc5523024d"


def iso(millis):
    at = datetime.datetime.fromtimestamp(millis / 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{millis % 1000:03d}Z"


def millis_of(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Graph(Standin):
    def __init__(self, seed):
        super().__init__(seed)
        self.tokens = {}
        self.made = 0
        self.generation = 0
        self.sequence = 0
        self.snapshots = {}
        self.users, self.chats, self.messages, self.teams = [], {}, [], {}
        # By chat: what a reader has, as (kind, message, at, user, text).
        self.seen = {}
        self.first = {}
        self.clock = 1767600000000
        self.guest = {"id": self.guid(), "displayName": "Guest", "mail": "g@other.example", "userPrincipalName": "g_other.example#EXT#@desk.example", "userType": "Guest"}
        self.settings.update({"token_uses": 120, "links": None})
        # More than Graph lists with a chat, now and then.
        for number in range(self.random.choice([3, 4, 5, 6, 30])):
            self.users.append({
                "id": self.guid(),
                "displayName": f"User {number}",
                "mail": f"user{number}@desk.example",
                "userPrincipalName": f"user{number}@desk.example",
                "userType": "Member",
                "department": "FX",
            })
        for _ in range(self.random.randint(2, 6)):
            self.new_chat()
        for _ in range(self.random.randint(0, 2)):
            team = self.guid()
            channels = [f"19:{self.guid().replace('-', '')}@thread.tacv2" for _ in range(self.random.randint(1, 2))]
            members = self.some_users(1)
            self.teams[team] = {"name": f"Team {len(self.teams)}", "channels": channels, "members": members}
            for channel in channels:
                self.chats[channel] = {"team": team, "members": members, "type": "channel"}
        for _ in range(self.random.randint(5, 60)):
            self.post(self.random.choice(list(self.chats)), False)
        for _ in range(self.random.randint(0, 10)):
            self.alter(False)

    def guid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def some_users(self, least):
        ids = [user["id"] for user in self.users]
        return self.random.sample(ids, self.random.randint(min(least, len(ids)), len(ids)))

    def new_chat(self):
        kind = self.random.choice(["oneOnOne", "group", "meeting"])
        members = self.some_users(2)[:2] if kind == "oneOnOne" else self.some_users(2)
        if kind == "oneOnOne":
            chat = f"19:{members[0]}_{members[1]}@unq.gbl.spaces"
        elif kind == "meeting":
            chat = f"19:meeting_{self.guid().replace('-', '')}@thread.v2"
        else:
            chat = f"19:{self.guid().replace('-', '')}@thread.v2"
        self.chats[chat] = {"members": members, "type": kind, "topic": None if kind == "oneOnOne" else f"Topic {len(self.chats)}"}
        return chat

    def now(self, is_live):
        """The next moment: of the past while the workspace is made up, and later than all before."""
        self.clock = max(self.clock + self.random.randint(1, 100000), int(time.time() * 1000)) if is_live else self.clock + self.random.randint(1, 100000)
        return self.clock

    def touch(self, message, at):
        self.sequence += 1
        message["sequence"] = self.sequence
        message["lastModifiedDateTime"] = iso(at)
        message["etag"] = str(at)

    def post(self, chat, is_live):
        at = self.now(is_live)
        sender = self.random.choice(self.chats[chat]["members"])
        team = self.chats[chat].get("team")
        message = {
            "id": str(at),
            "replyToId": None,
            "messageType": "message",
            "createdDateTime": iso(at),
            "lastEditedDateTime": None,
            "deletedDateTime": None,
            "subject": None,
            "chatId": None if team else chat,
            "channelIdentity": {"teamId": team, "channelId": chat} if team else None,
            "from": {"application": None, "device": None, "user": {"id": sender, "displayName": self.name(sender), "userIdentityType": "aadUser", "tenantId": TENANT}},
            "body": {"contentType": "text", "content": self.text()},
            "attachments": [],
            "mentions": [],
            "reactions": [],
            "chat": chat,
        }
        self.touch(message, at)
        self.messages.append(message)

    def name(self, user):
        return next(one["displayName"] for one in self.users if one["id"] == user)

    def alter(self, is_live):
        alive = [message for message in self.messages if not message["deletedDateTime"]]
        if not alive:
            return
        message = self.random.choice(alive)
        at = self.now(is_live)
        what = self.random.randrange(3)
        if what == 0:
            message["body"] = {"contentType": "text", "content": self.text()}
            message["lastEditedDateTime"] = iso(at)
        elif what == 1:
            message["deletedDateTime"] = iso(at)
            message["body"] = {"contentType": "text", "content": ""}
        else:
            who = self.random.choice(self.chats[message["chat"]]["members"])
            message["reactions"].append({
                "reactionType": self.random.choice(["like", "heart", "angry"]),
                "createdDateTime": iso(at),
                "user": {"user": {"id": who, "displayName": None, "userIdentityType": "aadUser"}},
            })
        self.touch(message, at)

    def change(self):
        for _ in range(self.random.randint(0, 15)):
            if self.random.random() < 0.1:
                self.new_chat()
            if self.random.random() < 0.5:
                self.post(self.random.choice(list(self.chats)), True)
            else:
                self.alter(True)
        return True

    def readers(self):
        return [user["id"] for user in self.users if user["id"] not in self.settings["forbidden"]]

    def settle(self):
        readers = set(self.readers())
        for message in self.messages:
            chat = message["chat"]
            if not readers & set(self.chats[chat]["members"]):
                continue
            of = self.seen.setdefault(chat, set())
            key, sender, text = message["id"], message["from"]["user"]["id"], message["body"]["content"]
            text = self.first.setdefault((chat, key), text)
            of.add(("message", key, millis_of(message["createdDateTime"]), sender, text))
            if message["lastEditedDateTime"] and not message["deletedDateTime"]:
                of.add(("edit", key, millis_of(message["lastEditedDateTime"]), sender, message["body"]["content"]))
            if message["deletedDateTime"]:
                of.add(("delete", key, millis_of(message["deletedDateTime"]), "", ""))
            for reaction in message["reactions"]:
                of.add(("reaction", key, millis_of(reaction["createdDateTime"]), reaction["user"]["user"]["id"], reaction["reactionType"]))
        return True

    def dump(self):
        readers = set(self.readers())
        chats = {}
        for chat, events in self.seen.items():
            about = self.chats[chat]
            copies = [] if about.get("team") else sorted(readers & set(about["members"]))
            chats[chat] = {"events": sorted(map(list, events)), "copies": copies, "members": sorted(about["members"]), "type": about["type"]}
        return {"chats": chats, "users": self.users, "readers": sorted(readers)}

    # What is asked.

    def answer(self, method, path, query, headers, body):
        parts = [urllib.parse.unquote(part) for part in path.split("/")[1:]]
        if parts[1:] == ["oauth2", "v2.0", "token"]:
            return self.token(parts[0], dict(urllib.parse.parse_qsl(body.decode())))
        if parts.pop(0) != "v1.0" or method != "GET":
            raise Problem(404, {"error": {"code": "BadRequest"}})
        kind, _, token = (headers.get("Authorization") or "").partition(" ")
        if kind != "Bearer" or self.tokens.get(token, 0) < 1:
            raise Problem(401, {"error": {"code": "InvalidAuthenticationToken"}})
        self.tokens[token] -= 1
        self.throttled()
        match parts:
            case ["users"]:
                return self.page("users", [*self.users, self.guest], query)
            case ["users", one]:
                return self.user(one)
            case ["users", one, "chats"]:
                return self.page("chats", self.chats_of(self.readable(one)), query)
            case ["users", one, "joinedTeams"]:
                return {"value": [{"id": team, "displayName": about["name"]} for team, about in self.teams.items() if one in about["members"]]}
            case ["chats", chat, "members"]:
                return self.page("members", self.members_of(chat), query)
            case ["users", one, "chats", "getAllMessages"]:
                of_user = self.export(self.readable(one)["id"], query)
                return self.page(f"users('{one}')/chats/getallMessages", of_user, query)
            case ["users", one, "chats", "getAllMessages", "delta"]:
                return self.delta(self.readable(one)["id"], query)
            case ["teams", team, "channels"]:
                about = self.teams[team]
                return {"value": [{"id": channel, "displayName": f"Channel {channel[3:7]}", "membershipType": "standard"} for channel in about["channels"]]}
            case ["teams", team, "channels", "getAllMessages"]:
                messages = self.filtered([message for message in self.messages if self.chats[message["chat"]].get("team") == team], query)
                return self.page(f"teams('{team}')/channels/getallMessages", self.shown(messages), query)
            case ["teams", _, "channels", channel, "members"]:
                return self.page("members", self.members_of(channel), query)
            case [named]:
                # A page in the form in which Graph writes links: users('ID')/…
                return self.rest(named, query)
            case [named, *rest]:
                return self.rest("/".join([named, *rest]), query)

    def token(self, tenant, form):
        if tenant != TENANT or form.get("client_id") != "app-1" or form.get("grant_type") != "client_credentials":
            raise Problem(400, {"error": "invalid_request"})
        if form.get("client_secret") != "s3cret" or not form.get("scope", "").endswith("/.default"):
            raise Problem(401, {"error": "invalid_client"})
        self.throttled()
        self.made += 1
        token = f"token-{self.made}"
        self.tokens[token] = self.random.randint(40, self.settings["token_uses"])
        return {"token_type": "Bearer", "expires_in": 3599, "access_token": token}

    def user(self, named):
        for user in self.users:
            if named in (user["id"], user["userPrincipalName"]):
                return user
        raise Problem(404, {"error": {"code": "Request_ResourceNotFound"}})

    def readable(self, named):
        user = self.user(named)
        if user["id"] in self.settings["failing"]:
            raise Problem(504, {"error": {"code": "GatewayTimeout"}}, {"Retry-After": self.settings["retry_after"]})
        if user["id"] in self.settings["forbidden"]:
            raise Problem(self.random.choice([402, 403]), {"error": {"code": "Forbidden", "message": user["displayName"]}})
        return user

    def chats_of(self, user):
        of_user = [(chat, about) for chat, about in self.chats.items() if user["id"] in about["members"] and not about.get("team")]
        # As the documents say of $expand=members: 25 at most.
        return [{"id": chat, "topic": about["topic"], "chatType": about["type"], "members": self.members_of(chat)[:25]} for chat, about in of_user]

    def members_of(self, chat):
        return [{
            "@odata.type": "#microsoft.graph.aadUserConversationMember",
            "id": f"{chat}/{user}",
            "roles": ["owner"],
            "displayName": self.name(user),
            "userId": user,
            "email": f"{user}@desk.example",
            "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
        } for user in self.chats[chat]["members"]]

    def export(self, user, query):
        of_user = [message for message in self.messages if user in self.chats[message["chat"]]["members"] and not self.chats[message["chat"]].get("team")]
        return self.shown(self.filtered(of_user, query))

    def filtered(self, messages, query):
        words = query.get("$filter", "").split()
        if words:
            assert words[0] == "lastModifiedDateTime" and words[1] == "gt" and len(words) == 3, words
            messages = [message for message in messages if millis_of(message["lastModifiedDateTime"]) > millis_of(words[2])]
        return messages

    def shown(self, messages):
        """The newest change first, and without what is our own."""
        newest = sorted(messages, key=lambda message: -message["sequence"])
        return [json.loads(json.dumps({name: value for name, value in message.items() if name not in ("chat", "sequence")})) for message in newest]

    def page(self, of, elements, query):
        if "$skiptoken" in query:
            return self.rest(of, query)
        token = f"{self.generation}-{len(self.snapshots)}"
        self.snapshots[token] = (of, elements, None)
        return self.part(token, 0, query)

    def part(self, token, start, query):
        of, elements, delta = self.snapshots[token]
        size = min(int(query.get("$top", 50)), self.settings["page"])
        answer = {"@odata.context": f"{self.address}/v1.0/$metadata#{of}", "value": elements[start:start + size]}
        if start + size < len(elements):
            answer["@odata.nextLink"] = f"{self.settings['links'] or self.address}/v1.0/{of}?$skiptoken={token}.{start + size}"
        elif delta is not None:
            answer["@odata.deltaLink"] = f"{self.address}/v1.0/{of}?$deltatoken={self.generation}-{delta}"
        return answer

    def rest(self, of, query):
        if "$skiptoken" not in query:
            raise Problem(404, {"error": {"code": "BadRequest"}})
        token, start = query["$skiptoken"].split(".")
        if int(token.split("-")[0]) < self.generation:
            raise Problem(410, {"error": {"code": "resyncRequired"}})
        return self.part(token, int(start), query)

    def delta(self, user, query):
        if "$skiptoken" in query:
            return self.rest("", query)
        of = f"users/{user}/chats/getAllMessages/delta"
        elements = self.export(user, query)
        if "$deltatoken" in query:
            generation, after = map(int, query["$deltatoken"].split("-"))
            if generation < self.generation:
                raise Problem(*self.random.choice([(410, {"error": {"code": "resyncRequired"}}), (400, {"error": {"code": "syncStateNotFound"}})]))
            changed = [message for message in self.messages if message["sequence"] > after]
            elements = self.shown([message for message in changed if user in self.chats[message["chat"]]["members"] and not self.chats[message["chat"]].get("team")])
        token = f"{self.generation}-{len(self.snapshots)}"
        self.snapshots[token] = (of, elements, self.sequence)
        return self.part(token, 0, query)

    def control(self, path, body):
        if path == "/_forget":
            self.generation += 1
            return True
        if path == "/_export":
            # What somebody would keep who asked by hand: a file for each user, and one for each team.
            context = f"{self.address}/v1.0/$metadata#"
            users = {user["id"]: {"@odata.context": f"{context}users('{user['id']}')/chats", "value": self.export(user["id"], {})} for user in self.users}
            of_team = lambda team: [message for message in self.messages if self.chats[message["chat"]].get("team") == team]
            teams = {f"team-{number}": {"@odata.context": f"{context}teams('{team}')/channels", "value": self.shown(of_team(team))} for number, team in enumerate(self.teams)}
            return users | teams
        return super().control(path, body)


if __name__ == "__main__":
    serve(Graph(int(sys.argv[1])))
