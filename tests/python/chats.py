"""Chats as they go on for days, and a room of very many people: made here, and looked for in the e-mails.

chats.py story FOLDER          one file for each of three days
chats.py told --mail DIR       what the e-mails of policies `chats` and `users` say of these days
chats.py room FILE PEOPLE RECORDED
chats.py crowd --mail DIR --people N --recorded N
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import mailbox
from mailbox import fail


def at(day, time):
    return f"2026-03-{day:02}T{time}Z"


def message(id, user, day, time, text, **more):
    return {"type": "message", "chat": "C1", "id": id, "user": user, "at": at(day, time), "text": text} | more


USERS = [
    {"type": "user", "id": "U1", "name": "Ann Lee", "email": "ann@desk.example"},
    {"type": "user", "id": "U2", "name": "Gus Guest", "external": True},
    {"type": "user", "id": "U3", "name": "Dora Day", "email": "dora@desk.example"},
    {"type": "user", "id": "B1", "name": "Rate Robot", "bot": True},
]
SMITH = USERS[0] | {"name": "Ann Smith"}


def chat(title):
    return {"type": "chat", "id": "C1", "kind": "channel", "title": title, "members": ["U1", "U2", "B1"]}


DAYS = [
    USERS
    + [chat("desk"), {"type": "chat", "id": "SELF", "kind": "direct", "members": ["U1"]}]
    + [message("root", "U1", 1, "09:00:00.000", "who has the sheet?"), message("robot", "B1", 1, "09:01:00.000", "1.0842", bot=True)]
    + [message("r1", "U2", 1, "09:02:00.000", "I had", thread="root"), message("note", "U1", 1, "09:03:00.000", "to myself") | {"chat": "SELF"}],
    [SMITH, chat("desk fx")]
    + [message("before", "U2", 2, "10:00:00.499", "before she came"), {"type": "join", "chat": "C1", "user": "U3", "at": at(2, "10:00:00.500")}]
    + [{"type": "other", "chat": "C1", "id": "title", "user": "U1", "at": at(2, "10:30:00.000"), "text": "renamed the channel to desk fx"}]
    + [message("r2", "U3", 2, "11:00:00.000", "here it is", thread="root"), message("r3", "U1", 2, "11:01:00.000", "thanks", thread="root")]
    + [{"type": "reaction", "chat": "C1", "id": "r2", "user": "U2", "name": "+1", "at": at(2, "11:02:00.000")}],
    [chat("desk fx eur")]
    + [{"type": "edit", "chat": "C1", "id": "root", "user": "U1", "at": at(3, "08:00:00.000"), "text": "who has the new sheet?"}]
    + [{"type": "delete", "chat": "C1", "id": "r1", "user": "U2", "at": at(3, "08:01:00.000")}]
    + [{"type": "leave", "chat": "C1", "user": "U3", "at": at(3, "08:02:00.000")}, message("after", "U1", 3, "08:02:00.001", "after she went")]
    + [message("r4", "B1", 3, "08:03:00.000", "1.0901", thread="root", bot=True)],
]


def story(args):
    for number, lines in enumerate(DAYS):
        path = Path(args.folder) / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def equal(what, got, wanted):
    if got != wanted:
        fail(f"{what}: {got!r}, and should be {wanted!r}")


def ids(mail):
    """What an e-mail shows, each by what it is told from others by."""
    return [event["id"] if event["type"] in ("message", "other") else f"{event['type']} {event.get('target') or event['user']}" for event in mail.events]


# By day: what happened in the chat.
IN_CHAT = [
    ["root", "robot", "r1"],
    ["before", "join U3", "title", "r2", "r3", "reaction r2"],
    ["edit root", "delete r1", "leave U3", "after", "r4"],
]
OF_DORA = [None, IN_CHAT[1][1:], IN_CHAT[2][:3]]


def told(args):
    mails, _ = mailbox.read(args.mail, "chats")
    days = sorted((mail for mail in mails if mail.chat == "C1"), key=lambda mail: mail.json["started"])
    equal("a chat's days", [ids(mail) for mail in days], IN_CHAT)
    equal("their titles", [mail.json["chat"]["title"] for mail in days], ["desk", "desk fx", "desk fx eur"])
    for mail, title in zip(days, ["desk", "desk fx", "desk fx eur"]):
        if title not in str(mail.message["Subject"]):
            fail(f"{mail.path}: its subject lacks the title: {mail.message['Subject']}")
    equal("its own chat", [ids(mail) for mail in mails if mail.chat == "SELF"], [["note"]])
    # A thread goes on: each answer names its root, and an e-mail without it says so and refers to the one that has it.
    for mail in days:
        for event in mail.events:
            equal(f"the thread of {event['id']}", event.get("thread"), "root" if event["id"] in ("r1", "r2", "r3", "r4") else None)
    first = days[0]
    for mail in days[1:]:
        if first.id not in str(mail.message.get("References", "")):
            fail(f"{mail.path}: it does not refer to the first day's: {mail.message.get('References')}")
        if "thread root (its beginning is not in this e-mail)" not in mail.plain:
            fail(f"{mail.path}: that the thread's root is in another e-mail is not told\n{mail.plain}")
    # Names as they were and as they are.
    ann = [next(one for one in mail.json["participants"] if one["id"] == "U1") for mail in days]
    equal("her names", [one["name"] for one in ann], ["Ann Lee", "Ann Smith", "Ann Smith"])
    equal("her former names", [[former["name"] for former in one.get("former_names", [])] for one in ann], [[], ["Ann Lee"], ["Ann Lee"]])
    for mail, is_told in zip(days, [False, True, True]):
        equal(f"{mail.path}: the former name for people", 'known as "Ann Lee"' in mail.plain, is_told)
    people = {one["id"]: one for one in first.json["participants"]}
    equal("who is what", [(people["U2"].get("external"), people["U2"]["email"]), people["B1"].get("bot")], [(True, None), True])
    copies, _ = mailbox.read(args.mail, "users")
    got = {}
    for mail in copies:
        got.setdefault((mail.chat, mail.subject), []).append((mail.json["started"], ids(mail)))
    got = {which: [events for _, events in sorted(some)] for which, some in got.items()}
    equal("whose copies", sorted(got), [("C1", "B1"), ("C1", "U1"), ("C1", "U2"), ("C1", "U3"), ("SELF", "U1")])
    equal("her own chat's copy", got["SELF", "U1"], [["note"]])
    equal("the copy of who came and went", got["C1", "U3"], [day for day in OF_DORA if day])
    for user in ("U1", "U2", "B1"):
        equal(f"the copy of {user}", got["C1", user], IN_CHAT)
    print(json.dumps({"emails": len(mails) + len(copies)}))


def room(args):
    people = [f"P{number:05}" for number in range(args.people)]
    lines = [{"type": "chat", "id": "HALL", "kind": "channel", "title": "town hall"}]
    for number, user in enumerate(people):
        lines.append({"type": "user", "id": user, "name": f"Person {number}", "email": f"p{number}@desk.example", "recorded": number < args.recorded})
        minute, second = divmod(number % 3600, 60)
        lines.append({"type": "join", "chat": "HALL", "user": user, "at": f"2026-03-01T08:{minute:02}:{second:02}.{number % 1000:03}Z"})
        if number % 10 == 3:
            lines.append({"type": "leave", "chat": "HALL", "user": user, "at": f"2026-03-01T10:{minute:02}:{second:02}.000Z"})
    for number in range(300):
        text = {"type": "message", "chat": "HALL", "id": f"m{number}", "user": people[number * 7 % len(people)], "text": f"question {number}"}
        lines.append(text | {"at": f"2026-03-01T09:{number // 60:02}:{number % 60:02}.000Z"})
    Path(args.file).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def crowd(args):
    mails, _ = mailbox.read(args.mail, "chats")
    everybody = Counter(f"P{number:05}" for number in range(args.people))
    equal("who is listed", Counter(one["id"] for mail in mails if mail.json["part"] == 1 for one in mail.json["participants"]), everybody)
    equal("what was said", Counter(event["id"] for mail in mails for event in mail.events if event["type"] == "message"), Counter(f"m{number}" for number in range(300)))
    joined = Counter(event["user"] for mail in mails for event in mail.events if event["type"] == "join")
    equal("who joined", joined, everybody)
    for mail in mails:
        if mail.json["part"] == 1 and "Person 9999" not in mail.plain and args.people > 9999:
            fail(f"{mail.path}: not everybody is listed for people")
        longest = max(len(line) for line in mail.raw.split(b"\r\n"))
        if longest > 998:
            fail(f"{mail.path} has a line of {longest} bytes")
    copies, _ = mailbox.read(args.mail, "users")
    of_users = {mail.subject for mail in copies}
    equal("whose copies", len(of_users), args.recorded)
    # A copy holds what happened from the joining on, that included.
    for mail in copies:
        if mail.json["part"] == 1 and mail.events[0]["id"].startswith("join:") and mail.events[0]["at"] > "2026-03-01T08:59":
            fail(f"{mail.path} begins with {mail.events[0]}")
    seen = Counter((mail.subject, event["id"]) for mail in copies for event in mail.events)
    equal("copies of an event", set(seen.values()), {1})
    print(json.dumps({"emails": len(mails), "copies": len(copies), "largest": max(len(mail.raw) for mail in mails + copies)}))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for work, needed in [(story, ["folder"]), (room, ["file", "people", "recorded"]), (told, ["--mail"]), (crowd, ["--mail", "--people", "--recorded"])]:
        command = commands.add_parser(work.__name__)
        command.set_defaults(work=work)
        for name in needed:
            command.add_argument(name, type=int if name.strip("-") in ("people", "recorded") else str)
    args = parser.parse_args()
    args.work(args)


if __name__ == "__main__":
    sys.exit(main())
