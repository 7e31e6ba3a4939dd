"""Chats of which there are only the copies of some of their users, with copies missing: makes them, and says what must be exported and which gaps there are.

coverage.py make FOLDER SEED CASES        FOLDER/0/0.jsonl, …: some users' own exports each, of CASES chats; 1/: those that are made later
coverage.py check FOLDER --mail DIR --policy NAME --coverage FILE --stage N
                                          FILE: `consign coverage --json` after the imports of the stages up to N; the mailbox after the policy's run

Each case is a chat of its own with its own users, whom k of n are captured of. All times lie within half a second, so that every instant can be tried.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import expected
import mailbox
from mailbox import fail

SLOTS, STAGES, INSTANTS = 6, 2, 500
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)
ZERO = int(START.timestamp() * 1000)


def stamp(ms):
    return (START + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def story(rng, case):
    """What was really said and done in a chat, and who was there when."""
    chat, users = f"C{case}", [f"U{case}-{number}" for number in range(rng.randint(2, SLOTS))]
    moments = rng.sample(range(INSTANTS), 60)
    stays, lines = defaultdict(list), []
    for user in users:
        inside, since = rng.random() < 0.6, None
        for at in sorted(moments.pop() for _ in range(rng.choice([0, 0, 1, 2, 3]))):
            lines.append({"type": "leave" if inside else "join", "chat": chat, "user": user, "at": stamp(at)})
            if inside:
                stays[user].append((since, at))
            since, inside = at, not inside
        if inside:
            stays[user].append((since, None))
    messages = []
    for number in range(rng.randint(1, 12)):
        at = moments.pop()
        writers = [user for user in users if there(stays[user], at)]
        if not writers:
            continue
        line = {"type": "message", "chat": chat, "id": f"m{case}-{number}", "at": stamp(at), "user": rng.choice(writers), "text": f"text {number}"}
        if messages and rng.random() < 0.3:
            line["thread"] = rng.choice(messages)["id"]
        messages.append(line)
        lines.append(line)
    for _ in range(rng.randint(0, 4) if messages else 0):
        of, at = rng.choice(messages), moments.pop()
        what = rng.choice(["edit", "delete", "reaction"])
        line = {"type": what, "chat": chat, "id": of["id"], "at": stamp(at), "user": of["user"]}
        line |= {"edit": {"text": "edited"}, "reaction": {"name": "thumbsup"}, "delete": {}}[what]
        lines.append(line)
    return chat, users, stays, lines


def there(stays, at):
    return any((since is None or since <= at) and (until is None or at <= until) for since, until in stays)


def make(args):
    rng, folder = random.Random(args.seed), Path(args.folder)
    dumps = defaultdict(list)
    for case in range(args.cases):
        chat, users, stays, lines = story(rng, case)
        captured = rng.sample(users, rng.randint(1, len(users)))
        lossy = rng.random() < 0.5
        for slot, user in enumerate(captured):
            own = [{"type": "chat", "id": chat, "kind": "group"}]
            bounds = sorted(rng.sample(range(INSTANTS), 2)) if rng.random() < 0.2 else (None, None)
            span = {name: stamp(at) for name, at in zip(("from", "until"), bounds) if at is not None}
            own.append({"type": "capture", "user": user} | span)
            for line in lines:
                at = expected.millis(line["at"]) - ZERO
                outside = bounds[0] is not None and not bounds[0] <= at <= bounds[1]
                if outside or not there(stays[user], at) or (lossy and rng.random() < 0.15):
                    continue
                own.append(line | {"copy_of": user})
                # A copy that says something else.
                if line["type"] == "message" and rng.random() < 0.02:
                    own[-1] = own[-1] | {"text": f"otherwise by {user}"}
            dumps[rng.randrange(STAGES), slot].append(own)
    for (stage, slot), some in dumps.items():
        (folder / str(stage)).mkdir(parents=True, exist_ok=True)
        rng.shuffle(some)
        lines = [line for own in some for line in own[:2]]
        events = [line for own in some for line in own[2:]]
        rng.shuffle(events)
        text = "".join(json.dumps(line) + "\n" for line in lines + events)
        (folder / str(stage) / f"{slot}.jsonl").write_text(text, encoding="utf-8")


class Known:
    """What the dumps up to a stage say, by case."""

    def __init__(self, folder, stage):
        self.captures, self.copies, self.texts = defaultdict(list), defaultdict(set), defaultdict(set)
        self.work = expected.Workspace()
        seen = set()
        for at_stage in range(stage + 1):
            for file in sorted(Path(folder, str(at_stage)).glob("*.jsonl")):
                for line in map(json.loads, file.read_text().splitlines()):
                    if line["type"] == "chat":
                        self.work.chats[line["id"]] = expected.Chat(line["id"], "group", None, {}, [])
                    elif line["type"] == "capture":
                        bounds = [expected.millis(line[name]) if name in line else None for name in ("from", "until")]
                        self.captures[line["user"]].append(tuple(bounds))
                    else:
                        self.event(line, seen)

    def event(self, line, seen):
        target = line["id"] if line["type"] in ("edit", "delete", "reaction") else None
        own = line.get("id", "") + (" " + line["name"] if line["type"] == "reaction" else "")
        event = expected.Event(line["chat"], line["type"], own, line["user"], expected.millis(line["at"]), line.get("text"), target)
        self.copies[line["chat"], line["copy_of"]].add(expected.key(event))
        if line["type"] == "message":
            self.texts[line["chat"], line["id"]].add(line["text"])
        if expected.key(event) not in seen:
            seen.add(expected.key(event))
            self.work.entries.append((event, line.get("thread")))

    def chats(self):
        by_chat = defaultdict(list)
        for event, thread in self.work.entries:
            by_chat[event.chat].append((event, thread))
        self.work.entries = [event for event, _ in self.work.entries]
        stays = self.work.stays()
        # Whoever's own export has something of a chat was there, from the first to the last of it where nothing else tells.
        moved = {(event.chat, event.user) for event in self.work.entries if event.type in ("join", "leave")}
        for (chat, user), copies in self.copies.items():
            if (chat, user) not in moved:
                times = [copy[4] for copy in copies]
                stays[chat, user] = [(min(times), max(times))]
        of_chat = defaultdict(dict)
        for (chat, user), spans in stays.items():
            of_chat[chat][user] = spans
        for chat, events in by_chat.items():
            yield chat, events, of_chat[chat]


def gaps(known, chat, events, stays):
    """Every gap, by trying every instant and every copy."""
    at = lambda user, ms: there(stays.get(user, []), ms) and there(known.captures.get(user, []), ms)
    users = [user for user in stays if user in known.captures]
    times = [event.at for event, _ in events]
    found = {"nobody": {ms for ms in range(min(times), max(times) + 1) if not any(at(user, ms) for user in users)}}
    messages = {event.own: event for event, _ in events if event.type == "message"}
    lacking = {user: sorted(id for id, event in messages.items() if at(user, event.at) and expected.key(event) not in known.copies[chat, user]) for user in users}
    found["copies"] = {user: ids for user, ids in lacking.items() if ids}
    never = defaultdict(list)
    for event, thread in events:
        for id, by in ((event.target, event.type), (thread, "reply")):
            if id is not None and id not in messages:
                never[id].append((event.at, by))
    found["never"] = {id: (sorted({by for _, by in named}), min(named)[0]) for id, named in never.items()}
    found["differs"] = {(id, event.at) for id, event in messages.items() if len(known.texts[chat, id]) > 1}
    return found


def said(coverage):
    """The same, as the program says it."""
    found = {"nobody": set(), "copies": {}, "never": {}, "differs": set()}
    for gap in coverage["gaps"]:
        match gap["gap"]:
            case "nobody-captured":
                found["nobody"] |= set(range(expected.millis(gap["from"]), expected.millis(gap["until"]) + 1))
            case "copies-missing":
                assert gap["count"] == len(gap["events"])
                found["copies"][gap["user"]] = sorted(event["id"] for event in gap["events"])
            case "never-seen":
                found["never"][gap["id"]] = (sorted(gap["named_by"]), expected.millis(gap["at"]))
            case "differs":
                found["differs"].add((gap["id"], expected.millis(gap["at"])))
            case other:
                fail(f"{coverage['chat']}: {other}")
    return found


def check(args):
    known = Known(args.folder, args.stage)
    told = {one["chat"]: one for one in json.loads(Path(args.coverage).read_text())["chats"]}
    mails, _ = mailbox.read(args.mail, args.policy)
    sent = defaultdict(Counter)
    texts = defaultdict(set)
    for mail in mails:
        for event in mail.events:
            shown = expected.shown("jsonl", mail.chat, event)
            if event["id"].startswith("copy:"):
                texts[mail.chat, event["target"]].add(event["text"])
                continue
            own = f"{event['target']} {event['text']}" if event["type"] == "reaction" else shown.own
            sent[mail.chat][expected.key(shown._replace(own=own))] += 1
            if event["type"] == "message":
                texts[mail.chat, event["id"]].add(event["text"])
    figures, seen = Counter(), set()
    for chat, events, stays in known.chats():
        seen.add(chat)
        wanted, got = gaps(known, chat, events, stays), said(told[chat])
        if len({json.dumps(gap) for gap in told[chat]["gaps"]}) < len(told[chat]["gaps"]):
            fail(f"{chat}: a gap is told twice: {told[chat]['gaps']}")
        for what in wanted:
            if wanted[what] != got[what]:
                fail(f"{chat}: {what}: {got[what]}, and should be {wanted[what]}")
        for person in told[chat]["people"]:
            spans = [[expected.millis(span[end]) if span[end] else None for end in ("from", "until")] for span in person["captured"]]
            for ms in range(ZERO, ZERO + INSTANTS):
                if there(spans, ms) != (there(stays[person["user"]], ms) and there(known.captures.get(person["user"], []), ms)):
                    fail(f"{chat}: {person['user']} is captured at {ms}: {there(spans, ms)}")
        if {person["user"] for person in told[chat]["people"]} != set(stays):
            fail(f"{chat} has the people {told[chat]['people']}, and should have {stays}")
        if sent[chat] != Counter(expected.key(event) for event, _ in events):
            fail(f"{chat}: sent {sent[chat]}, and should be {events}")
        for id, said_texts in known.texts.items():
            if id[0] == chat and texts[id] != said_texts:
                fail(f"{id}: sent {texts[id]}, and should be {said_texts}")
        figures["chats"] += 1
        figures["events"] += len(events)
        for what, some in wanted.items():
            figures[what] += bool(some)
        figures["without a gap"] += not any(wanted.values())
    figures["copies"] = sum(map(len, known.copies.values()))
    if seen != set(told):
        fail(f"told are {set(told) ^ seen}")
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("folder")
    making.add_argument("seed", type=int)
    making.add_argument("cases", type=int)
    making.set_defaults(run=make)
    checking = commands.add_parser("check")
    checking.add_argument("folder")
    for name in ("--mail", "--policy", "--coverage"):
        checking.add_argument(name, required=True)
    checking.add_argument("--stage", type=int, required=True)
    checking.set_defaults(run=check)
    arguments = parser.parse_args()
    arguments.run(arguments)
