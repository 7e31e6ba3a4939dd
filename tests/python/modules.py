"""The standard modules' verdicts, computed again by other code.

modules.py policies SOURCE=FORM:FILE…            prints the policies as TOML
modules.py check FOLDER SOURCE=FORM:FILE…        FOLDER/<policy>/*.eml and FOLDER/<policy>.json, as `run --preview --json` leaves them

What there is to judge is taken from the policy `all`, which leaves nothing out and is checked elsewhere. An event is (source, chat, position).
"""

import base64
import json
import multiprocessing
import os
import quopri
import re
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import expected
from mailbox import fail, files

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


# --- verdicts: each is a function of the world, its configuration and an event, and says whether the event is kept -------------------


def fold(text):
    """Simple case folding: one character to one."""

    def one(character):
        if character == "ı":
            return character
        upper = character.upper()
        lower = (upper if len(upper) == 1 else character).lower()
        return lower if len(lower) == 1 else (upper if len(upper) == 1 else character)

    return "".join(map(one, text))


def keywords(world, config):
    same = fold if config.get("ignore-case") else str
    in_word = lambda character: character.isalnum() or character == "_"

    def holds(text, word):
        start = text.find(word)
        while start >= 0:
            end = start + len(word)
            if not config.get("whole-words"):
                return True
            if not (start and in_word(text[start - 1])) and not (end < len(text) and in_word(text[end])):
                return True
            start = text.find(word, start + 1)
        return False

    lists = {name: [same(word) for word in config.get(name, [])] for name in ("any", "all", "none")}

    def keep(event):
        text = same(event["text"])
        found = lambda word: holds(text, word)
        if any(map(found, lists["none"])) or not all(map(found, lists["all"])):
            return False
        return not lists["any"] or any(map(found, lists["any"]))

    return keep


def is_one(world, source, config):
    def test(user):
        known = world.sources[source].users.get(user)
        address = (known.email if known else None) or ""
        if not any(name in config for name in ("ids", "addresses", "domains")):
            named = True
        else:
            domain = address.rpartition("@")[2].lower()
            named = (
                user in config.get("ids", [])
                or address.lower() in [one.lower() for one in config.get("addresses", [])]
                or bool(address) and any(domain == one.lower() or domain.endswith("." + one.lower()) for one in config.get("domains", []))
            )
        recorded, external = world.sources[source].recorded(user), bool(known and known.external)
        return named and config.get("external", external) == external and config.get("recorded", recorded) == recorded

    return test


def participants(world, config):
    known = {}

    def chat(source, chat):
        if (source, chat) not in known:
            people = world.people[source, chat]
            if "who" in config:
                means = is_one(world, source, config["who"])
                fits = any(map(means, people)) and (config.get("of-chat") != "all" or all(map(means, people)))
            else:
                one, other = (is_one(world, source, side) for side in config["between"])
                pairs = ((a, b) for a in people if one(a) for b in people if b != a and other(b))
                fits = next(pairs, None) is not None
                means = lambda user: one(user) or other(user)
            known[source, chat] = (fits, {user for user in people if means(user)})
        return known[source, chat]

    def keep(event):
        fits, people = chat(event["source"], event["chat"])
        return fits and (config.get("by") != "sender" or event["user"] in people)

    return keep


def chats(world, config):
    def glob(pattern, text):
        out, characters = "", iter(pattern)
        for character in characters:
            out += {"*": ".*", "?": "."}.get(character) or re.escape(next(characters, "\\") if character == "\\" else character)
        return re.fullmatch(out, text, re.DOTALL) is not None

    def keep(event):
        known = world.sources[event["source"]].chats[event["chat"]]
        if known.kind not in config.get("kinds", [known.kind]) or event["source"] not in config.get("sources", [event["source"]]):
            return False
        if "title" in config:
            same = fold if config["title"].get("ignore-case") else str
            title = re.sub(r" ?[\x00-\x1f\x7f-\x9f]+", " ", known.title).strip() if known.title else None
            if not title:
                return False
            title = same(title)
            contains = any(same(part) in title for part in config["title"].get("contains", []))
            if not contains and not any(glob(same(pattern), title) for pattern in config["title"].get("glob", [])):
                return False
        wanted = {name: [value] if isinstance(value, str) else value for name, value in config.get("labels", {}).items()}
        return all(known.labels.get(name) in values for name, values in wanted.items())

    return keep


def local(at, zone):
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=at)).astimezone(zone)


def period(world, config):
    zone = ZoneInfo(config.get("time-zone", "UTC"))

    def bound(text):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return lambda at: local(at, zone).date() >= day
        instant = expected.millis(text)
        return lambda at: at >= instant

    reached = {name: bound(config[name]) for name in ("from", "to") if name in config}

    def keep(event):
        at = event["ms"]
        if "from" in reached and not reached["from"](at) or "to" in reached and reached["to"](at):
            return False
        here = local(at, zone)
        day = here.date()
        if "hours" in config:
            now, start, end = here.strftime("%H:%M"), config["hours"]["from"], config["hours"]["to"]
            if start < end:
                if not start <= now < end:
                    return False
            elif now < end:
                day -= timedelta(days=1)
            elif now < start:
                return False
        return "days" not in config or DAYS[day.weekday()] in config["days"]

    return keep


CRITERIA = {"std/keywords": keywords, "std/participants": participants, "std/chats": chats, "std/period": period}


# --- groupings: events in order to what tells their e-mails apart ----------------------------------------------------------------------


def per_chat(config, events):
    zone = ZoneInfo(config.get("time-zone", "UTC"))
    split = config.get("split")
    if split == "day":
        return {event["key"]: (local(event["ms"], zone).date().isoformat(),) for event in events}
    groups, answers, latest, stretch = {}, {}, None, 0
    for event in events:
        if split == "thread":
            thread, target = event.get("thread"), event.get("target")
            root = thread or answers.get(target) or target or event["id"]
            if thread and thread != event["id"] and not target:
                answers[event["id"]] = root
            groups[event["key"]] = (root,)
        elif split == "idle":
            if latest is not None and event["ms"] - latest > config["idle-minutes"] * 60_000:
                stretch += 1
            latest = max(latest or event["ms"], event["ms"])
            groups[event["key"]] = (stretch,)
        else:
            groups[event["key"]] = (0,)
    return groups


# --- the policies ----------------------------------------------------------------------------------------------------------------------


class World:
    def __init__(self, specs):
        self.sources = {}
        for spec in specs:
            name, _, rest = spec.partition("=")
            self.sources[name] = expected.load(rest)
        self.people = defaultdict(set)
        for name, work in self.sources.items():
            for chat in work.chats.values():
                self.people[name, chat.id].update(chat.members)
            for event in work.events:
                if event.user:
                    self.people[name, event.chat].add(event.user)

    def busiest(self, source, count):
        """Users who did most, to ask about somebody."""
        users = Counter(event.user for event in self.sources[source].events if event.user)
        return [user for user, _ in sorted(users.items(), key=lambda one: (-one[1], one[0]))[:count]]

    def policies(self):
        """Name to match, criteria (module, config, negate) and grouping."""
        first = next(iter(self.sources))
        busy = self.busiest(first, 8)
        address = next(user.email for user in self.sources[first].users.values() if user.email and user.id in busy)
        work = ("std/period", {"days": DAYS[:5], "hours": {"from": "09:00", "to": "17:30"}, "time-zone": "Europe/Berlin"}, False)
        error = ("std/keywords", {"any": ["error", "tactic", "libor"], "ignore-case": True}, False)
        small = ("std/chats", {"sources": list(self.sources)[:1] + list(self.sources)[2:]}, False)
        return {
            "all": ("all", [], None),
            "any-of": ("all", [error], None),
            "all-of-words": ("all", [("std/keywords", {"all": ["the", "is"], "whole-words": True}, False)], None),
            "none-of": ("all", [("std/keywords", {"none": ["the", "A", "größe"], "ignore-case": True, "whole-words": True}, False)], None),
            "mixed-words": ("all", [("std/keywords", {"any": ["lean", "react", "swap"], "all": ["the"], "none": ["goal", "redux"]}, False)], None),
            "domain": ("all", [("std/participants", {"who": {"domains": ["Desk.example", address.partition("@")[2].title()]}, "by": "sender"}, False), small], None),
            "address": ("all", [("std/participants", {"who": {"addresses": [address.upper()]}}, False)], None),
            "senders": ("all", [("std/participants", {"who": {"ids": busy[:3]}, "by": "sender"}, False)], None),
            "between": ("all", [("std/participants", {"between": [{"ids": busy[:2]}, {"ids": busy[1:4]}]}, False)], None),
            "unrecorded": ("all", [("std/participants", {"who": {"recorded": False}, "by": "sender"}, False)], None),
            "not-recorded-only": ("all", [("std/participants", {"who": {"recorded": True}, "of-chat": "all"}, True)], None),
            "titles": ("all", [("std/chats", {"title": {"contains": ["LEAN"], "glob": ["r*t?", "*react*"], "ignore-case": True}, "kinds": ["group", "channel"]}, False)], None),
            "other-source": ("all", [("std/chats", {"sources": [first]}, True), error], None),
            "labels": ("all", [("std/chats", {"labels": {"team": ["fx", "rates"]}}, False)], None),
            "working-hours": ("all", [work, small], None),
            "nights": ("all", [("std/period", {"days": ["Fri", "Sat"], "hours": {"from": "22:00", "to": "06:00"}, "time-zone": "America/New_York"}, False)], None),
            "from-to": ("all", [("std/period", {"from": "2018-02-01", "to": "2021-03-28T01:00:00+01:00", "time-zone": "Asia/Tokyo"}, False), error], None),
            "either": ("any", [error, (*work[:2], True)], None),
            "neither": ("all", [(*error[:2], True), (*work[:2], True), small], None),
            "by-day": ("all", [small], {"split": "day", "time-zone": "Asia/Kolkata"}),
            "by-thread": ("all", [small], {"split": "thread"}),
            "threads-of-errors": ("all", [error], {"split": "thread", "time-zone": "America/Sao_Paulo"}),
            "by-pause": ("all", [small], {"split": "idle", "idle-minutes": 45}),
        }  # fmt: skip


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def write(world):
    for name, (match, criteria, grouping) in world.policies().items():
        print(f'[[policy]]\nname = "{name}"\ntarget = "archive"\nmatch = "{match}"')
        print(f'grouping = {{ module = "std/per-chat", config = {toml(grouping or {})} }}')
        for module, config, negate in criteria:
            print(f'[[policy.criteria]]\nmodule = "{module}"\nconfig = {toml(config)}' + ("\nnegate = true" if negate else ""))


# --- the check -------------------------------------------------------------------------------------------------------------------------


def read(path):
    """The document of one e-mail. Elsewhere e-mails are read whole, by Python's own parser; here there are too many for that."""
    with open(path, "rb") as file:
        raw = file.read().replace(b"\r\n", b"\n")
    boundary = re.search(rb'boundary="([^"]+)"', raw)[1]
    part = next(part for part in raw.split(b"\n--" + boundary) if b"consign.json" in part.partition(b"\n\n")[0])
    head, _, body = part.partition(b"\n\n")
    encoding = re.search(rb"(?i)content-transfer-encoding: *(\S+)", head)[1].lower()
    return json.loads({b"base64": base64.b64decode, b"quoted-printable": quopri.decodestring}.get(encoding, bytes)(body))


def check(world, folder):
    policies = world.policies()
    everything, figures = None, {}
    with multiprocessing.Pool() as pool:
        for name, (match, criteria, grouping) in policies.items():
            documents = pool.map(read, files(os.path.join(folder, name)), chunksize=64)
            with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
                summary = json.load(file)
            got = {}
            for document in documents:
                for event in document["events"]:
                    source, chat = document["source"], document["chat"]["id"]
                    key = (source, chat, event["position"])
                    if key in got:
                        fail(f"{name}: {key} stands in two e-mails")
                    got[key] = {**event, "source": source, "chat": chat, "key": key, "ms": expected.millis(event["at"]), "group": document["group"]["key"]}
            if name == "all":
                everything = got
                if Counter(key[0] for key in got) != Counter({source: len(work.events) for source, work in world.sources.items()}):
                    fail(f"all: {Counter(key[0] for key in got)}")
            tests = [(CRITERIA[module](world, config), negate) for module, config, negate in criteria]
            combine = all if match == "all" else any
            wanted = {key: event for key, event in everything.items() if combine(test(event) != negate for test, negate in tests)}
            if wanted.keys() != got.keys():
                some = lambda keys: "".join(f"\n    {key} {everything[key]['text'][:80]!r} {everything[key]['at']}" for key in sorted(keys)[:5])
                missing, extra = wanted.keys() - got.keys(), got.keys() - wanted.keys()
                fail(f"{name}: {len(missing)} missing:{some(missing)}\n  {len(extra)} too many:{some(extra)}")
            counts = summary["events"]
            if (counts["examined"], counts["exported"], counts["omitted"], counts["held"]) != (len(everything), len(got), len(everything) - len(got), 0):
                fail(f"{name}: {counts}")
            by_chat = defaultdict(list)
            for key in sorted(wanted):
                by_chat[key[:2]].append(everything[key])
            for chat, events in by_chat.items():
                partition = lambda group_of: sorted(sorted(group) for group in by(events, group_of).values())
                groups = per_chat(grouping or {}, events)
                if partition(lambda event: groups[event["key"]]) != partition(lambda event: got[event["key"]]["group"]):
                    fail(f"{name}: {chat} is split into other groups than it should be")
            figures[name] = [len(got), len(documents)]
    few = [name for name, (events, _) in figures.items() if events == 0]
    print(json.dumps({"events_and_emails": figures, "nothing_kept": few}))


def by(events, group_of):
    groups = defaultdict(list)
    for event in events:
        groups[group_of(event)].append(event["key"])
    return groups


def main():
    what, *rest = sys.argv[1:]
    if what == "policies":
        write(World(rest))
    else:
        check(World(rest[1:]), rest[0])


if __name__ == "__main__":
    main()
