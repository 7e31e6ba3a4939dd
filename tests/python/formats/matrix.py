"""Exports of Matrix rooms as Element writes them, random ones, and what must come out of them. Shares nothing with Consign's code.

`make(path, seed)` writes a ZIP of several rooms where the path ends so, a folder where it has no end, and else the JSON of one room. `read(path)` takes any of
them.
Element writes no reactions, redactions and edits; these have some all the same, as tools write them that keep raw events.
"""

import hashlib
import json
import pathlib
import random
import re
import zipfile
from datetime import datetime, timedelta, timezone
from html import escape

from expected import Chat, Event, User, Workspace, key, write_files

WORDS = 'sold bought 5m EURUSD fixing LIBOR hedge «quote» naïve 日本 🎉 it\'s "done" R&D a<b 50% back\\slash'.split(" ")
FOLDERS = {"m.image": "images", "m.video": "videos", "m.audio": "audio", "m.file": "files"}


# --- Making one ----------------------------------------------------------------------------------------------------------------------


class Maker:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.people = [
            (f"@user{number}:{'desk.example' if number % 7 else 'other.example:8448'}", f"{['Ann Lee', 'Bob O_Hara', '田中', 'Zoë'][number % 4]} {number}")
            for number in range(24)
        ]
        self.people[3] = (self.people[3][0], None)
        self.bot = ("@bot:desk.example", "Fixing <Bot>")
        self.files, self.count = {}, 0

    def words(self, least=1):
        return " ".join(self.dice.choice(WORDS) for _ in range(self.dice.randint(least, 8)))

    def id(self):
        self.count += 1
        return "$" + hashlib.sha256(f"{self.count} {self.dice.random()}".encode()).hexdigest()[:43]

    def event(self, room, kind, sender, content, state_key=None, unsigned=None):
        if self.dice.random() > 0.3:  # else at the very same time
            room["now"] += self.dice.randint(1, 900_000)
        event = {
            "type": kind,
            "sender": sender,
            "content": content,
            "origin_server_ts": room["now"],
            "unsigned": {"age": 5, **(unsigned or {})},
            "event_id": self.id(),
            "room_id": room["id"],
        }
        if self.dice.random() < 0.3:
            event["user_id"] = sender
        if state_key is not None:
            event["state_key"] = state_key
        if room["id"] is None:
            del event["room_id"]
        room["events"].append(event)
        return event

    def move(self, room, user, membership, by=None, **more):
        """A change of membership, with what it was before where there was something."""
        name = dict(self.people)[user]
        before = room["members"].get(user)
        content = {"membership": membership, **({"displayname": name} if name and membership in ("join", "invite") else {}), **more}
        self.event(room, "m.room.member", by or user, content, user, {"prev_content": before, "replaces_state": "$x"} if before else {})
        room["members"][user] = content

    def room(self, number):
        dice = self.dice
        members = dice.sample(self.people, dice.choice([2, 5, 9]))
        creator = members[0]
        direct = number == 1
        if direct:
            members = members[:2]
        room = {
            "id": None if number == 3 else f"!room{number}{dice.randrange(10**6)}:desk.example", "now": 1_767_600_000_000 + dice.randrange(10**7), "events": [], "members": {},
            "name": f"Deal {number} \"X\" & co", "number": number, "media": {},
        }  # fmt: skip
        self.event(room, "m.room.create", creator[0], {"room_version": "10", "creator": creator[0]}, "")
        self.move(room, creator[0], "join")
        self.event(room, "m.room.name", creator[0], {"name": room["name"]}, "")
        if number == 2:
            self.event(room, "m.room.encryption", creator[0], {"algorithm": "m.megolm.v1.aes-sha2"}, "")
        for user, _ in members[1:]:
            if dice.random() < 0.5 or direct:
                self.move(room, user, "invite", creator[0], **({"is_direct": True} if direct else {}))
            self.move(room, user, "join")
        sent, given = [], []
        for _ in range(dice.randint(40, 90)):
            inside = [user for user, content in room["members"].items() if content["membership"] == "join"] or [creator[0]]
            sender = dice.choice(inside)
            chance = dice.random()
            if chance < 0.05 and not direct:
                self.member(room, sender, members, inside)
            elif chance < 0.09:
                kind, content = dice.choice(
                    [
                        ("m.room.topic", {"topic": self.words()}),
                        ("m.room.name", {"name": room["name"]}),
                        ("m.room.pinned_events", {"pinned": ["$a", "$b"]}),
                        ("m.room.history_visibility", {"history_visibility": "shared"}),
                        ("org.unknown.thing", {"deep": {"text": self.words()}, "n": 1}),
                    ]
                )
                self.event(room, kind, sender, content, "")
            elif chance < 0.16 and sent:
                reaction = self.event(
                    room,
                    "m.reaction",
                    sender,
                    {"m.relates_to": {"rel_type": "m.annotation", "event_id": dice.choice(sent)["event_id"], "key": dice.choice(["👍", "🎉", "ok"])}},
                )
                given.append(reaction)
            elif chance < 0.18 and given:
                self.event(room, "m.room.redaction", dice.choice(inside), {"reason": "oops"})["redacts"] = given.pop(dice.randrange(len(given)))["event_id"]
            elif chance < 0.21 and sent:
                of = sent.pop(dice.randrange(len(sent)))
                redaction = self.event(room, "m.room.redaction", of["sender"], {"redacts": of["event_id"]} if dice.random() < 0.5 else {})
                if "redacts" not in redaction["content"]:
                    redaction["redacts"] = of["event_id"]
                of["content"] = {}
                of["unsigned"] = {"redacted_because": {name: redaction[name] for name in ("type", "sender", "content", "event_id", "origin_server_ts")}}
                if dice.random() < 0.5:  # as Element: without the redaction
                    room["events"].remove(redaction)
            elif chance < 0.27 and sent:
                self.edit(room, dice.choice(sent))
            else:
                message = self.message(room, sender, sent)
                if message["type"] == "m.room.message":
                    sent.append(message)
        names = dict(self.people)
        whole = {
            "room_name": room["name"], "room_creator": names[creator[0]] or creator[0], "topic": "", "export_date": "5 January 2026", "exported_by": members[1][1] or members[1][0],
            "messages": room["events"],
        }  # fmt: skip
        return room, whole

    def member(self, room, sender, members, inside):
        dice = self.dice
        user = dice.choice(members)[0]
        now = room["members"].get(user, {}).get("membership")
        if now == "join":
            what = dice.choice(["rename", "leave", "kick", "ban", "same"])
            if what == "rename":
                self.people = [(one, f"{name} renamed") if one == user else (one, name) for one, name in self.people]
                self.move(room, user, "join")
            elif what == "same":
                self.move(room, user, "join", avatar_url="mxc://x/y")
            elif what == "leave":
                self.move(room, user, "leave")
            else:
                self.move(room, user, "ban" if what == "ban" else "leave", sender if sender != user else "@mod:desk.example", reason="out")
        elif now == "ban":
            self.move(room, user, "leave", sender)
        elif now == "invite":
            self.move(room, user, dice.choice(["join", "leave"]))
        else:
            self.move(room, user, dice.choice(["invite", "join", "knock"]))

    def edit(self, room, of):
        text = self.words()
        content = {
            "msgtype": "m.text",
            "body": f"* {text}",
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": of["event_id"]},
        }
        edit = self.event(room, "m.room.message", of["sender"], content)
        how = self.dice.randrange(3)
        if how == 1:  # as newer servers tell it
            room["events"].remove(edit)
            of["unsigned"]["m.relations"] = {"m.replace": edit}
        elif how == 2 and of["content"].get("msgtype") == "m.text" and "m.relates_to" not in of["content"]:  # as older ones did
            room["events"].remove(edit)
            of["content"] = {"msgtype": "m.text", "body": text}
            of["unsigned"]["m.relations"] = {
                "m.replace": {name: edit[name] for name in ("event_id", "origin_server_ts", "sender")},
                "m.annotation": {"chunk": [{"key": "👍", "count": 2}]},
            }

    def message(self, room, sender, sent):
        dice = self.dice
        words = self.words()
        content = {"msgtype": "m.text", "body": words}
        kind = dice.randrange(14)
        if kind == 1:
            content |= {"format": "org.matrix.custom.html", "formatted_body": f"<strong>{escape(words)}</strong>"}
        elif kind == 2:
            sender = self.bot[0]
            content["msgtype"] = "m.notice"
        elif kind == 3:
            content["msgtype"] = "m.emote"
        elif kind == 4 and sent:
            of = dice.choice(sent)
            quote = f"> <{of['sender']}> was said\n> in two lines\n\n" if dice.random() < 0.5 else ""
            content["body"] = quote + words
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": of["event_id"]}}
        elif kind == 5 and sent:
            root = dice.choice(sent)["event_id"]
            content["m.relates_to"] = {
                "rel_type": "m.thread",
                "event_id": root,
                "is_falling_back": True,
                "m.in_reply_to": {"event_id": dice.choice(sent)["event_id"]},
            }
        elif kind in (6, 7, 8):
            return self.file(room, sender)
        elif kind == 9:
            content = {"msgtype": "m.location", "body": "Office", "geo_uri": "geo:51.5,0.1"}
        elif kind == 10:
            content = {
                "org.matrix.msc1767.text": "old",
                "org.matrix.msc3381.poll.start": {
                    "question": {"org.matrix.msc1767.text": "Where?"},
                    "answers": [{"id": "1", "org.matrix.msc1767.text": words}, {"id": "2", "org.matrix.msc1767.text": "There"}],
                },
            }
            return self.event(room, "org.matrix.msc3381.poll.start", sender, content)
        elif kind == 11 and dice.random() < 0.5:
            return self.event(room, "m.room.encrypted", sender, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA"})
        elif kind == 11:
            content = {"msgtype": "m.bad.encrypted", "body": "** Unable to decrypt: keys **"}
            return {**self.event(room, "m.room.message", sender, content), "type": "unreadable"}
        elif kind == 12:
            content |= {"format": "org.matrix.custom.html", "formatted_body": "<p>hidden words</p>"}
        return self.event(room, "m.room.message", sender, content)

    def file(self, room, sender):
        dice = self.dice
        kind = dice.choice(list(FOLDERS))
        name = dice.choice(["image", "q3 report", "ü"]) + {"m.image": ".png", "m.video": ".mp4", "m.audio": ".mp3", "m.file": ".pdf"}[kind]
        data = dice.randbytes(dice.randint(1, 300))
        content = {"msgtype": kind, "body": name, "url": f"mxc://desk.example/{dice.getrandbits(64):x}", "info": {"size": len(data), "mimetype": "image/png"}}
        if dice.random() < 0.3:
            content |= {"filename": name, "body": self.words()}
            name = content["body"]
        event = self.event(room, "m.room.message", sender, content)
        local = datetime.fromtimestamp(event["origin_server_ts"] / 1000, timezone.utc) + timedelta(hours=5, minutes=30)
        stem, dot, end = name.rpartition(".")
        if not dot:
            stem, end = end, ""
        place = f"{FOLDERS[kind]}/{stem}-{local.month}-{local.day}-2026 at {local.strftime('%I-%M-%S %p').lstrip('0')}{dot}{end}"
        if dice.random() < 0.7 and "/" not in name and "\\" not in name and place not in room["media"]:
            room["media"][place] = data
        return event

    def run(self, rooms):
        files = {}
        for number in range(rooms):
            room, whole = self.room(number)
            folder = f"Element - room {number} - Chat Export/" if rooms > 1 else ""
            files[f"{folder}export.json"] = json.dumps(whole, indent=2, ensure_ascii=self.dice.random() < 0.5).encode()
            files.update({folder + place: data for place, data in room["media"].items()})
        return files


def make(path, seed):
    path = pathlib.Path(path)
    files = Maker(seed).run(1 if path.suffix == ".json" else 5)
    if path.suffix == ".json":
        path.write_bytes(files["export.json"])
    else:
        write_files(path, files)


# --- Reading one ---------------------------------------------------------------------------------------------------------------------


def exports(path):
    path = pathlib.Path(path)
    if path.is_dir():
        return [json.loads(file.read_bytes()) for file in sorted(path.rglob("*.json"))]
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return [json.loads(archive.read(name)) for name in archive.namelist() if name.endswith("export.json")]
    return [json.loads(path.read_bytes())]


def text_of(content, answer=False):
    """None where this does not compute it."""
    kind, body = content.get("msgtype"), content.get("body") or ""
    if kind in FOLDERS:
        return body if content.get("filename", body) != body else ""
    if kind == "m.location":
        return f"{body} ({content['geo_uri']})"
    if answer and body.startswith("> <@"):
        body = re.sub(r"\A(?:>.*\n)+\n?", "", body)
    if kind == "m.emote":
        body = f"* {body}"
    shown = (
        re.sub(r"<[^<>]*>", "", content.get("formatted_body") or "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", '"')
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
    )
    letters = lambda text: "".join(letter for letter in text if letter.isalnum())
    return body if letters(shown) in letters(body) else f"{body}\n{shown}"


def read(path):
    work = Workspace()
    seen = set()
    names, homes = {}, set()

    def add(to, event):
        if key(event) not in seen:
            seen.add(key(event))
            to.append(event)

    for whole in exports(path):
        events = whole["messages"]
        chat = next((event["room_id"] for event in events if event.get("room_id")), None)
        if chat is None:
            field = lambda text: len(text.encode()).to_bytes(8, "big") + text.encode()
            anchor = next((event["event_id"] for event in events if event["type"] == "m.room.create"), events[0]["event_id"])
            chat = "room:" + hashlib.sha256(field(whole["room_name"]) + field(whole["room_creator"]) + field(anchor)).hexdigest()[:12]
        created = [event["sender"] for event in events if event["type"] == "m.room.create"]
        homes.add(created[0].partition(":")[2])
        members = [event for event in events if event["type"] == "m.room.member"]
        direct = any(event["content"].get("is_direct") for event in members)
        joined = {event["state_key"] for event in members if event["content"]["membership"] == "join"}
        encrypted = any(event["type"] == "m.room.encryption" for event in events)
        kind = ("direct" if len(joined) <= 2 else "group") if direct else "channel"
        work.chats[chat] = Chat(chat, kind, whole["room_name"], {"encrypted": "true"} if encrypted else {}, [])
        for event in events:
            for user in (event["sender"], event.get("state_key") if event["type"] == "m.room.member" else None):
                if user:
                    names.setdefault(user, None)
        redactions = {event.get("redacts") or event["content"].get("redacts") for event in events if event["type"] == "m.room.redaction"}
        reactions = {event["event_id"]: event for event in events if event["type"] == "m.reaction"}
        for event in events:
            one(work, chat, event, redactions, reactions, lambda to, event: add(to, event))
    for user in names:
        work.users[user] = User(user, None, True, user.partition(":")[2] not in homes)
    return work


def one(work, chat, event, redactions, reactions, add):
    kind, own, user, at, content = event["type"], event["event_id"], event["sender"], event["origin_server_ts"], event["content"]
    put = lambda type, text=None, target=None, user=user, own=own, at=at: add(work.entries, Event(chat, type, own, user, at, text, target))
    relation = content.get("m.relates_to") or {}
    because = event["unsigned"].get("redacted_because")
    if because:
        put("message", "")
        if own not in redactions:
            put("delete", None, own, because["sender"], because["event_id"], because["origin_server_ts"])
    elif kind == "m.room.message" and relation.get("rel_type") == "m.replace":
        put("edit", text_of(content["m.new_content"]), relation["event_id"])
    elif kind == "m.room.message" and content["msgtype"] == "m.bad.encrypted":
        put("other", content["body"])
    elif kind == "m.room.message":
        put("message", text_of(content, "m.in_reply_to" in relation))
        edit = event["unsigned"].get("m.relations", {}).get("m.replace")
        if edit:
            newest = edit["content"]["m.new_content"] if "content" in edit else content
            put("edit", text_of(newest), own, edit["sender"], edit["event_id"], edit["origin_server_ts"])
    elif kind.endswith("poll.start"):
        poll = content["org.matrix.msc3381.poll.start"]
        lines = [f"Poll: {poll['question']['org.matrix.msc1767.text']}"] + [f"- {answer['org.matrix.msc1767.text']}" for answer in poll["answers"]]
        put("message", "\n".join(lines))
    elif kind == "m.reaction":
        add(work.reactions, Event(chat, "reaction", own, user, at, relation["key"], relation["event_id"]))
    elif kind == "m.room.redaction":
        target = event.get("redacts") or content.get("redacts")
        given = reactions.get(target)
        if given:
            what = given["content"]["m.relates_to"]
            add(work.reactions, Event(chat, "reaction", own, given["sender"], at, what["key"], what["event_id"]))
        else:
            put("delete", None, target)
    elif kind == "m.room.member":
        now, before = content["membership"], (event["unsigned"].get("prev_content") or {}).get("membership")
        who = event["state_key"]
        if now == "join" and before != "join":
            put("join", None, None, who)
        elif now in ("leave", "ban") and before == "join":
            put("leave", None, None, who)
        else:
            # Nobody is in a room by asking to be let in, or by not coming.
            outside = who == user and (now == "knock" or now == "leave" and before in ("invite", "knock"))
            put("other", None, None, None if outside else user)
    else:
        text = {"m.room.topic": f"Topic: {content.get('topic')}", "m.room.name": f"Room name: {content.get('name')}", "m.room.create": "Room created"}.get(kind)
        put("other", text)


def own(event):
    """All events have ids of their own."""
    return event["id"]
