"""What an export must hold, read straight from the ZIP or the lines by code that shares nothing with Consign's."""

import gzip
import importlib
import json
import re
import zipfile
from collections import Counter, defaultdict, namedtuple
from datetime import datetime
from decimal import Decimal

# `text` is None where the test does not compute it, `before` (of an edit or deletion) where the platform does not say it or the test does not compute it;
# `at` in milliseconds; `own` is the platform's own id or, where it has none, what stands for it.
Event = namedtuple("Event", "chat type own user at text target before", defaults=(None,))
User = namedtuple("User", "id email recorded external")
Chat = namedtuple("Chat", "id kind title labels members")

SLACK_TYPES = {
    None: "message", "file_share": "message", "bot_message": "message", "me_message": "message", "thread_broadcast": "message",
    "file_comment": "message", "message_changed": "edit", "message_deleted": "delete", "tombstone": "delete", "channel_join": "join", "group_join": "join",
    "channel_leave": "leave", "group_leave": "leave",
}  # fmt: skip


def millis(text):
    """An RFC 3339 time."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    base = datetime.fromisoformat(match[1] + (match[3].replace("Z", "+00:00")))
    return int(base.timestamp()) * 1000 + int((match[2] or "0").ljust(3, "0")[:3])


class Workspace:
    """`entries`: events that stand in the export as such; `reactions`: those that hang on messages; `lists`: chats whose members the platform lists;
    `captured`: for each user whose own copies there are the keys of the events in them."""

    def __init__(self):
        self.users, self.chats, self.entries, self.reactions, self.captured = {}, {}, [], [], {}

    @property
    def events(self):
        return self.entries + self.reactions

    def recorded(self, user):
        known = self.users.get(user)
        return known.recorded if known else True

    def stays(self):
        """(chat, user) to a list of (first ms or None, last ms or None), both inclusive. `derived` has those of whom no list, join or
        leave tells the first: that one, or None where nothing tells any (how long it is, is a matter of whose exports were read)."""
        moves, acted, first = defaultdict(list), defaultdict(set), {}
        for number, event in enumerate(self.events):
            if event.user is None:
                continue
            if event.type in ("join", "leave"):  # within a millisecond by the platform's ids; where it has none, by the order of the lines
                moves[event.chat, event.user].append((event.at, event.own, number, event.type))
            else:
                acted[event.chat].add(event.user)
                if event.type in ("message", "reaction"):
                    first[event.chat, event.user] = min(event.at, first.get((event.chat, event.user), event.at))
        people = defaultdict(set)
        for chat, user in moves:
            people[chat].add(user)
        for chat in self.chats.values():
            people[chat.id].update(chat.members)
            if not chat.members:
                people[chat.id].update(acted[chat.id])
        for chat in acted:
            if chat not in self.chats:
                people[chat].update(acted[chat])
        result, self.derived = {}, {}
        for chat, users in people.items():
            for user in users:
                spans, since, inside = [], None, False
                if not moves.get((chat, user)) and user not in (self.chats[chat].members if chat in self.chats else ()):
                    self.derived[chat, user] = None
                    own = [at for (of, *_, at) in self.captured.get(user, ()) if of == chat]
                    if own:  # as far as this user's own copies go, whose reactions are of an earlier time than others' have
                        result[chat, user] = [(min(own), max(own))]
                        continue
                own = sorted(moves.get((chat, user), []))
                # Both in one millisecond, by a platform that gives them no ids: nobody knows which came first, and it is what makes sense.
                either = [one[:2] == two[:2] and one[1] == "" and one[3] != two[3] for one, two in zip(own, own[1:])] + [False]
                if not own or own[0][3] == "leave" or either[0]:
                    inside = True
                elif first.get((chat, user), own[0][0]) < own[0][0]:  # who wrote was there
                    spans.append((first[chat, user], own[0][0]))
                    self.derived[chat, user] = spans[0]
                for place, (at, _, _, kind) in enumerate(own):
                    if place and either[place - 1]:
                        continue
                    if either[place]:
                        spans.append((since if inside else at, at))
                        since = at if inside else None
                    elif kind == "join" and not inside:
                        since, inside = at, True
                    elif kind == "leave" and inside:
                        spans.append((since, at))
                        since, inside = None, False
                if inside:
                    spans.append((since, None))
                result[chat, user] = spans
        return result

    def copies(self, recorded_only):
        """(chat, user) to the Counter of the events that the user's copy must hold."""
        by_chat = defaultdict(list)
        for event in self.events:
            by_chat[event.chat].append(event)
        result = {}
        for (chat, user), spans in self.stays().items():
            if recorded_only and not self.recorded(user):
                continue
            held = Counter(
                key(event) for event in by_chat[chat] if any((a is None or a <= event.at) and (b is None or event.at <= b) for a, b in spans)
            )
            if held:
                result[chat, user] = held
        return result


def span(stay):
    """A stay in an e-mail, as `stays` has it."""
    return tuple(stay[end] and millis(stay[end]) for end in ("joined", "left"))


def key(event):
    """What an event is told from others by. Derived ids are Consign's own affair, so for these it is what they are derived from."""
    return (event.chat, event.type, event.own, event.user, event.at)


# --- Slack ---------------------------------------------------------------------------------------------------------------------------


def slack_text(text, users, channels):
    """Markup to plain text. Control characters, which no e-mail can carry, are shown by their pictures."""
    text = re.sub(r"\r\n?|\x85", "\n", text)
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", lambda match: chr(0x2400 + ord(match[0])), text).replace("\x7f", "\u2421")
    text = re.sub(r"[\x80-\x9f]", "\ufffd", text)
    unescape = lambda part: part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    def one(match):
        inside = match[1]
        what, _, label = inside.partition("|")
        if what.startswith("@") and len(what) > 1:
            name = users.get(what[1:])
            return "@" + (name.lstrip("@") if name else unescape(label or what[1:]).lstrip("@"))
        if what.startswith("#") and len(what) > 1:
            name = None if label else channels.get(what[1:])
            return "#" + (name.lstrip("#") if name else unescape(label or what[1:]).lstrip("#"))
        if what.startswith("!") and len(what) > 1:
            command, *rest = what[1:].split("^")
            if command == "date":
                return unescape(label or (rest[0] if rest else command))
            shown = label or (rest[0] if command == "subteam" and rest else command)
            return "@" + unescape(shown).lstrip("@")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", what):
            bare = what.partition(":")[2]
            if not label:
                return unescape(what)
            return unescape(label) + ("" if label in (what, bare, bare.lstrip("/")) else f" ({unescape(what)})")
        return None

    out, last = [], 0
    position = 0
    while (match := re.compile(r"<([^<>\n]*)>").search(text, position)) is not None:
        shown = one(match)
        if shown is None:
            position = match.start() + 1
            continue
        out.append(unescape(text[last : match.start()]))
        out.append(shown)
        last = position = match.end()
    out.append(unescape(text[last:]))
    return "".join(out)


def slack(path):
    work = Workspace()
    archive = zipfile.ZipFile(path)
    load = lambda name: json.loads(archive.read(name)) if name in archive.namelist() else []
    names = {}
    for user in load("users.json") + load("org_users.json"):  # an Enterprise Grid has the latter
        if user["id"] in names:
            continue
        profile = user.get("profile") or {}
        # A name stands in headers: what would end a line there is a space.
        clean = lambda name: re.sub(r" ?[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", name or "").strip()
        real = user.get("real_name") or profile.get("real_name")
        names[user["id"]] = clean(real or profile.get("display_name") or user.get("name")) or user["id"]
        work.users[user["id"]] = User(user["id"], profile.get("email"), True, user.get("is_stranger", False))
    folders, channels = {}, {}
    for name, kind in (("channels.json", "channel"), ("groups.json", "channel"), ("mpims.json", "group"), ("dms.json", "direct")):
        for chat in load(name):
            title = chat.get("name") if kind == "channel" else None
            work.chats[chat["id"]] = Chat(chat["id"], kind, title, {}, list(chat.get("members") or []))
            folders[chat.get("name") or chat["id"]] = chat["id"]
            folders[chat["id"]] = chat["id"]
            if title:
                channels[chat["id"]] = title
    for name in sorted(archive.namelist()):
        match = re.fullmatch(r"(?:.*/)?([^/]+)/\d{4}-\d\d-\d\d\.json", name)
        if not match:
            continue
        chat = folders.get(match[1], match[1])
        for entry in json.loads(archive.read(name)):
            one_slack(work, chat, entry, names, channels)
    return work


def only_rich(message):
    """What a person typed has its text again as rich text, and no other block."""
    return all(block.get("type") == "rich_text" for block in message.get("blocks") or [])


def one_slack(work, chat, entry, names, channels):
    subtype = entry.get("subtype") or None
    kind = SLACK_TYPES.get(subtype, "other") if entry.get("type", "message") == "message" else "other"
    at = int(Decimal(entry["ts"]) * 1000)
    user = entry.get("user") or (entry.get("comment") or {}).get("user") or entry.get("bot_id")
    text = target = None
    if kind == "edit" and (entry.get("message") or {}).get("subtype") == "tombstone":  # so a message with answers is deleted
        kind = "delete"
        target = entry["message"].get("ts")
    if subtype == "tombstone":
        user, target = None, entry["ts"]
    elif kind == "edit":
        inner = entry.get("message") or {}
        target = inner.get("ts")
        user = (inner.get("edited") or {}).get("user") or inner.get("user") or inner.get("bot_id") or entry.get("user")
    elif kind == "delete":
        before = entry.get("previous_message") or {}
        target = target or entry.get("deleted_ts") or before.get("ts")
        user = entry.get("user") or before.get("user") or before.get("bot_id")
    elif kind in ("join", "leave") and not entry.get("user"):
        kind = "other"
    if kind in ("edit", "delete") and not target:
        kind = "other"
    before = entry.get("previous_message") or {}
    told = target and before.get("text", "").strip() and not before.get("attachments") and only_rich(before)
    before = slack_text(before["text"], names, channels) if told else None
    if subtype in (None, "bot_message") and kind == "message" and entry.get("text", "").strip() and not entry.get("attachments"):
        text = first = slack_text(entry["text"], names, channels)
        for block in entry.get("blocks") or []:  # what they say beyond the text
            said = slack_text((block.get("text") or {}).get("text", ""), names, channels).strip()
            if said and block["type"] != "rich_text" and not re.search(rf"(?<!\w){re.escape(said)}(?!\w)", first):
                text += "\n" + said
    work.entries.append(Event(chat, kind, entry["ts"], user, at, text, target, before))
    for reaction in entry.get("reactions") or []:
        for who in sorted(set(reaction.get("users") or [])):
            work.reactions.append(Event(chat, "reaction", f"{entry['ts']} {reaction['name']}", who, at, reaction["name"], entry["ts"]))


# --- JSON lines ----------------------------------------------------------------------------------------------------------------------


def jsonl(path):
    work = Workspace()
    opened = gzip.open(path, "rt", encoding="utf-8") if str(path).endswith(".gz") else open(path, encoding="utf-8")
    seen = set()
    with opened as lines:
        for line in lines:
            said = json.loads(line)
            kind = said["type"]
            if kind == "user":
                work.users[said["id"]] = User(said["id"], said.get("email"), said.get("recorded", True), said.get("external", False))
            elif kind == "chat":
                work.chats[said["id"]] = Chat(said["id"], said.get("kind", "other"), said.get("title"), said.get("labels", {}), said.get("members", []))
            else:
                target = said["id"] if kind in ("edit", "delete", "reaction") else None
                own = {
                    "join": "", "leave": "", "reaction": f"{said.get('id')} {said.get('name')} {said.get('removed', False)}",
                }.get(kind, said.get("id"))  # fmt: skip
                text = {"reaction": said.get("name"), "delete": None, "join": None, "leave": None}.get(kind, said.get("text", ""))
                event = Event(said["chat"], kind, own, said.get("user"), millis(said["at"]), text, target)
                if key(event) not in seen:
                    seen.add(key(event))
                    work.entries.append(event)
    return work


def own_of_target(event):
    """What stands for the id of an event of consign.json that is about a message, where the platform has none for it."""
    return {"edit": event.get("target"), "delete": event.get("target"), "reaction": f"{event.get('target')} {event['text']}"}.get(event["type"])


def write_files(path, files):
    """Bytes by name: as a ZIP where the path says so, else in a folder."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 2, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        return
    for name, data in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def load(spec):
    """`slack:FILE`, `jsonl:FILE`, or of a format that has a module of its own in `formats/`."""
    form, _, path = spec.partition(":")
    read = {"slack": slack, "jsonl": jsonl}.get(form) or importlib.import_module(f"formats.{form}").read
    return read(path)


def shown(form, chat, event):
    """An event of consign.json, in the terms of `Event`."""
    kind, target = event["type"], event.get("target")
    own = event["id"]
    if form not in ("slack", "jsonl"):
        own = importlib.import_module(f"formats.{form}").own(event)
    elif kind == "reaction":
        own = f"{target} {event['text']}" + (f" {event['removed']}" if form == "jsonl" else "")
    elif form == "jsonl" and kind in ("edit", "delete"):
        own = target
    elif form == "jsonl" and kind in ("join", "leave"):
        own = ""
    return Event(chat, kind, own, event["user"], millis(event["at"]), event["text"], target, event.get("previous"))
