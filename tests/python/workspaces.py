"""Random workspaces that arrive bit by bit in any order, exported in random windows in all three modes, against a naive model.

workspaces.py make FOLDER SEED CASES       FOLDER/0.jsonl to 3.jsonl, and FOLDER/plan.json: after which of them which policy runs
workspaces.py check FOLDER --mail DIR      the mailbox after all of it

Each case is a workspace of its own: up to 50 users and 30 chats whose ids begin with its number. Most are small, since small ones have as many corners.
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

STAGES, INSTANTS = 4, 400
MODES = {"chats": None, "users": True, "participants": False}
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)
KINDS = ["direct", "group", "channel", "meeting", "other"]


def stamp(ms):
    return (START + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def size(rng, most):
    return rng.randint(1, most) if rng.random() < 0.05 else min(most, rng.choice([1, 1, 2, 2, 3, 4, 6]))


def workspace(rng, case):
    """The lists, and the events in the order in which they happened."""
    users = []
    for number in range(size(rng, 50)):
        user = {"type": "user", "id": f"{case}-U{number}", "name": rng.choice(["Ann", "Bob <b>", "Grüße, Öl", "\"Q\" & Co", "日本"]), "recorded": rng.random() < 0.8}
        user |= {"bot": rng.random() < 0.1, "external": rng.random() < 0.1} | ({"email": f"u{number}@w{case}.example"} if rng.random() < 0.8 else {})
        users.append(user)
    lists, events = list(users), []
    for number in range(size(rng, 30)):
        chat = {"type": "chat", "id": f"{case}-C{number}", "kind": rng.choice(KINDS), "title": f"room {number}"}
        # A direct chat to oneself is one too.
        people = rng.sample(users, rng.randint(1, min(len(users), 8)))
        if rng.random() < 0.3:
            chat["members"] = [user["id"] for user in rng.sample(people, rng.randint(1, len(people)))]
        lists.append(chat)
        events += talk(rng, chat["id"], [user["id"] for user in people])
    return lists, events


def talk(rng, chat, people):
    events, messages, used = [], [], set()
    for user in people:
        inside = rng.random() < 0.5
        # Each of one user's moves has a millisecond of its own: of two in one nobody could say which came first.
        for at in sorted(rng.sample(range(INSTANTS), rng.choice([0, 0, 1, 2, 3, 4]))):
            events.append({"type": "leave" if inside else "join", "chat": chat, "user": user, "at": stamp(at)})
            inside = not inside
    for number in range(rng.randint(0, 10)):
        moves = [event["at"] for event in events if event["type"] in ("join", "leave")]
        # Often the very millisecond of a join or leave.
        at = rng.choice(moves) if moves and rng.random() < 0.3 else stamp(rng.randrange(INSTANTS))
        user = rng.choice(people)
        if not messages or rng.random() < 0.6:
            event = {"type": "message", "chat": chat, "id": f"m{number}", "at": at, "user": user, "text": rng.choice(["", "a", "line\nline", "\u2028 x", "<p>&amp;", "é" * 300])}
            event |= {"thread": rng.choice(messages)["id"]} if messages and rng.random() < 0.3 else {}
            messages.append(event)
        else:
            of, kind = rng.choice(messages), rng.choice(["edit", "delete", "reaction"])
            event = {"type": kind, "chat": chat, "id": of["id"], "at": at, "user": user}
            event |= {"edit": {"text": f"edited {number}"}, "delete": {}, "reaction": {"name": rng.choice(["+1", "🎉"]), "removed": rng.random() < 0.3}}[kind]
        place = (event["type"], event["id"], at, user, event.get("name"), event.get("removed"))
        if place not in used:
            used.add(place)
            events.append(event)
    return events


def make(args):
    rng, folder = random.Random(args.seed), Path(args.folder)
    folder.mkdir(parents=True)
    stages = [[] for _ in range(STAGES)]
    for case in range(args.cases):
        lists, events = workspace(rng, case)
        rng.shuffle(events)
        # What is listed first comes first; some of it again, as platforms say all of it in each export.
        first = rng.randrange(STAGES)
        for line in lists:
            stages[first].append(line)
        for event in events:
            stage = rng.randrange(first, STAGES)
            stages[stage].append(event)
            if rng.random() < 0.1:
                stages[rng.randrange(stage, STAGES)].append(event)
    for stage, lines in enumerate(stages):
        lines.sort(key=lambda line: {"user": 0, "chat": 1}.get(line["type"], 2))
        (folder / f"{stage}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    plan = [[mode for mode in MODES if stage == STAGES - 1 or rng.random() < 0.6] for stage in range(STAGES)]
    (folder / "plan.json").write_text(json.dumps(plan))


def known(folder):
    """For each stage all that is known by then."""
    text = ""
    for stage in range(STAGES):
        text += Path(folder, f"{stage}.jsonl").read_text(encoding="utf-8")
        whole = Path(folder, "upto.jsonl")
        whole.write_text(text, encoding="utf-8")
        yield expected.jsonl(whole)


def check(args):
    plan = json.loads(Path(args.folder, "plan.json").read_text())
    wanted, texts, figures = {mode: set() for mode in MODES}, {}, Counter()
    for stage, work in enumerate(known(args.folder)):
        for event in work.events:
            texts[expected.key(event)] = event.text
        for mode in plan[stage]:
            if mode == "chats":
                wanted[mode] |= {("", expected.key(event)) for event in work.events}
            else:
                copies = work.copies(MODES[mode])
                wanted[mode] |= {(user, event) for (_, user), events in copies.items() for event in events}
        if stage == STAGES - 1:
            figures["events"], figures["chats"] = len(work.events), len({event.chat for event in work.events})
            figures["users"] = len(work.users)
    everything = mailbox.read(args.mail)[0]
    for mode in MODES:
        got, mails = Counter(), [mail for mail in everything if mail.policy == mode]
        for mail in mails:
            for shown in mail.events:
                event = expected.shown("jsonl", mail.chat, shown)
                copy = ("" if mode == "chats" else mail.subject, expected.key(event))
                got[copy] += 1
                # A reaction's text is its name, and part of what it is.
                if event.type in ("message", "edit") and texts.get(copy[1]) != event.text:
                    fail(f"{mode}: {copy} has the text {event.text!r}, and should have {texts.get(copy[1])!r}")
        if twice := [copy for copy, count in got.items() if count > 1]:
            fail(f"{mode}: {len(twice)} were sent twice: {twice[:5]}")
        if set(got) != wanted[mode]:
            missing, more = wanted[mode] - set(got), set(got) - wanted[mode]
            fail(f"{mode}: {len(missing)} are missing: {sorted(missing, key=str)[:5]}; {len(more)} are too many: {sorted(more, key=str)[:5]}")
        figures[f"{mode}: copies"], figures[f"{mode}: e-mails"] = len(got), len(mails)
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("folder")
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("cases", type=int, nargs="?")
    parser.add_argument("--mail")
    arguments = parser.parse_args()
    {"make": make, "check": check}[arguments.what](arguments)
