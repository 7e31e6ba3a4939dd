"""Files that come after their messages: makes such workspaces, and says of a mailbox whether each file went out with the name of its message, once.

late_files.py make slack|jsonl FOLDER SEED      stages 0 to 2 of one workspace, each whole: FOLDER/0.zip or FOLDER/0/chat.jsonl, and FOLDER/spec.json
late_files.py check FOLDER --mail DIR --runs FILE --policy NAME --judge all|keyword|users
                    FILE: for each stage the id of the policy's run; prints for each stage what the import had to say of late files
late_files.py together FOLDER --mail DIR        all stages before the first run: the files stand in the e-mail of their message
"""

import argparse
import hashlib
import html
import json
import random
import zipfile
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import mailbox
from mailbox import fail

STAGES = 3
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)
WORDS = "the rate desk fixing libor quote swap please confirm client <b>bold</b> Größe 日本 🎉 tomorrow".split()
KEYWORD = "libor"

sha = lambda content: hashlib.sha256(content).hexdigest()


# --- workspaces -----------------------------------------------------------------------------------------------------------------------


def made(rng, form):
    """Files with the stages at which an export has their bytes, and messages with the first stage that has them and their text at each."""
    files = []
    for number in range(60):
        # Each stage has at least one that it is the first to have.
        since = number if number < STAGES else rng.choice([0, 0, 1, 1, 2, 2, None])
        there = [since is not None and stage >= since and (stage == since or rng.random() < 0.8) for stage in range(STAGES)]
        # Now and then the same bytes as another file, and the same name with other bytes.
        content = rng.choice([rng.randbytes(rng.choice([0, 1, 77, 30_000])), b"the same"])
        files.append({"id": f"F{number:02}", "name": rng.choice(["q.pdf", f"Größe {number}.pdf", f"{number}.bin"]), "content": content, "there": there})
    messages = []
    for number in range(120):
        text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 9))) + rng.choice(["", "\nsecond line"])
        since, edited = rng.choice([0, 0, 0, 1, 2]), rng.choice([None, None, None, 1, 2])
        texts = [text + (f" edited {number}" if edited is not None and stage >= edited > since else "") for stage in range(STAGES)]
        at = START + timedelta(seconds=61 * number, milliseconds=number)
        chat = f"C{number % 3}"
        own = f"{int(at.timestamp())}.{number:03}{number:03}" if form == "slack" else f"m{number}"
        # On one message the same name with the same bytes is one file.
        which = list({(files[index]["name"], files[index]["content"]): index for index in rng.sample(range(len(files)), rng.choice([0, 1, 1, 3]))}.values())
        thread = rng.choice([None, None, messages[-3]["id"]]) if len(messages) > 2 and messages[-3]["chat"] == chat else None
        messages.append({
            "chat": chat, "id": own, "at": int(at.timestamp() * 1000), "user": f"U{rng.randrange(6)}", "since": since, "texts": texts,
            "files": which, "thread": thread, "kind": "message",
        })  # fmt: skip
    # Chance alone may give no file of a message with the keyword to a stage: these two are always there.
    for stage in range(1, STAGES):
        number = len(messages)
        at = START + timedelta(seconds=61 * number)
        own = f"{int(at.timestamp())}.000{number:03}" if form == "slack" else f"m{number}"
        message = {"chat": f"C{number % 3}", "id": own, "at": int(at.timestamp() * 1000), "user": "U0", "since": 0, "texts": [f"the {KEYWORD} file"] * STAGES}
        messages.append({**message, "files": [stage], "thread": None, "kind": "message"})
    return files, messages


def stamp(ms):
    return (datetime.fromtimestamp(ms // 1000, timezone.utc)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def jsonl(folder, rng, files, messages):
    first = int(START.timestamp() * 1000)
    # Everybody acts in each chat at the first stage, so that memberships are the same at all of them.
    moves = []
    for chat in range(3):
        for user in range(6):
            kinds = rng.choice([[], ["join"], ["leave"], ["join", "leave"], ["leave", "join"]])
            times = sorted(rng.sample(range(0, 61 * 120), len(kinds)))
            moves += [{"type": kind, "chat": f"C{chat}", "user": f"U{user}", "at": stamp(first + 1000 * at)} for kind, at in zip(kinds, times)]
            moves.append({"type": "message", "chat": f"C{chat}", "id": f"hello-{chat}-{user}", "at": stamp(first - 60_000), "user": f"U{user}", "text": "hello"})
    people = [{"type": "user", "id": f"U{user}", "name": f"Name {user}", "email": f"u{user}@desk.example", "recorded": user != 5} for user in range(6)]
    # An edit that brings a file, and a system event that has one.
    edited = next(message for message in messages if message["since"] == 0)
    spare = [next(index for index, file in enumerate(files) if file["there"] == [False, True, True]) for _ in "12"]
    for kind, name, own, which in (("edit", edited["id"], None, spare[0]), ("other", "topic", "topic", spare[1])):
        text = f"{kind} {KEYWORD}"
        at = first + 1000 * 61 * 130
        event = {"chat": edited["chat"], "id": name, "at": at, "user": "U0", "since": 0, "texts": [text] * STAGES, "files": [which], "thread": None}
        messages.append({**event, "kind": kind})
    for stage in range(STAGES):
        here = folder / str(stage)
        (here / "files").mkdir(parents=True)
        lines = people + [{"type": "chat", "id": f"C{chat}", "kind": "group", "title": f"room {chat}"} for chat in range(3)] + moves
        for message in messages:
            if message["since"] > stage:
                continue
            attachments = []
            for index in message["files"]:
                file = files[index]
                path = f"files/{file['id']}"
                if file["there"][stage]:
                    (here / path).write_bytes(file["content"])
                attachments.append({"name": file["name"], "media_type": "application/pdf", "path": path, "url": f"https://files.example/{file['id']}"})
            line = {"type": message["kind"], "chat": message["chat"], "id": message["id"], "at": stamp(message["at"]), "user": message["user"]}
            line |= {"text": message["texts"][stage], "attachments": attachments}
            lines.append(line | ({"thread": message["thread"]} if message["thread"] else {}))
            if rng.random() < 0.1:
                # Twice in one file; the second time it may be without its files.
                lines.append(lines[-1] if rng.random() < 0.5 else {**lines[-1], "attachments": []})
        (here / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def slack(folder, rng, files, messages):
    users = [{"id": f"U{user}", "name": f"login{user}", "real_name": f"Name {user}", "profile": {"email": f"u{user}@desk.example"}} for user in range(6)]
    channels = [{"id": f"C{chat}", "name": f"room-{chat}", "members": [user["id"] for user in users]} for chat in range(3)]
    for stage in range(STAGES):
        days = defaultdict(list)
        for message in messages:
            if message["since"] > stage:
                continue
            text = message["texts"][stage].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            entry = {"type": "message", "ts": message["id"], "user": message["user"], "text": text}
            if message["thread"]:
                entry["thread_ts"] = message["thread"]
            if message["files"]:
                entry["files"] = [
                    {"id": files[index]["id"], "name": files[index]["name"], "mimetype": "application/pdf", "url_private": f"https://files.example/{files[index]['id']}"}
                    for index in message["files"]
                ]
            day = datetime.fromtimestamp(message["at"] // 1000, timezone.utc).strftime("%Y-%m-%d")
            days[f"room-{message['chat'][1:]}/{day}.json"].append(entry)
        with zipfile.ZipFile(folder / f"{stage}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {"users.json": users, "channels.json": channels, **days}.items():
                archive.writestr(name, json.dumps(content))
            for number, file in enumerate(files):
                if file["there"][stage]:
                    # The two places where tools put them.
                    place = f"__uploads/{file['id']}/{file['name']}" if number % 2 else f"room-0/attachments/{file['id']}-{file['name']}"
                    archive.writestr(place, file["content"])


def make(args):
    folder, rng = Path(args.folder), random.Random(args.seed)
    folder.mkdir(parents=True)
    files, messages = made(rng, args.form)
    {"jsonl": jsonl, "slack": slack}[args.form](folder, rng, files, messages)
    files = [{"name": file["name"], "sha256": sha(file["content"]), "there": file["there"]} for file in files]
    (folder / "spec.json").write_text(json.dumps({"files": files, "messages": messages}))


# --- what must have gone out ----------------------------------------------------------------------------------------------------------


class Spec:
    def __init__(self, folder):
        spec = json.loads((Path(folder) / "spec.json").read_text())
        self.files, self.messages = spec["files"], spec["messages"]
        self.edited = {message["id"] for message in self.messages if message["kind"] == "edit"}

    def arrivals(self, message):
        """For each stage the (name, digest) of the files that arrive with it on this message."""
        stages = [[] for _ in range(STAGES)]
        for index in message["files"]:
            file = self.files[index]
            first = next((stage for stage in range(message["since"], STAGES) if file["there"][stage]), None)
            if first is not None:
                stages[first].append((file["name"], file["sha256"]))
        return stages

    def late(self, message, stage):
        return Counter(self.arrivals(message)[stage]) if stage > message["since"] else Counter()


def key(chat, event):
    """A message as its late files name it; an edit with a file is named by its message, so its kind and time tell it apart."""
    return (chat, event.get("target") or event["id"], event["at"])


def spec_key(message):
    return (message["chat"], message["id"], stamp(message["at"]))


def carried(mail, event):
    """Name and digest of each file that this event has and that is in the e-mail, read by Python."""
    inside = Counter((part.get_filename(), sha(part.get_payload(decode=True))) for part in mail.attached)
    found = Counter()
    for one in event.get("attachments", []):
        if one["attached"]:
            found[one["name"], one["sha256"]] += 1
            if inside[one["name"], one["sha256"]] < found[one["name"], one["sha256"]]:
                fail(f"{mail.path}: {one['name']} of {event['id']} is not in it, but {inside}")
    return found


def reads_well(mail, event, message):
    """What people see: which message it is, by its id and text where it is not in the e-mail, and the files."""
    of = f"late files of the message {message['id']} (not in this e-mail)" if message["kind"] != "other" else f"late files of the event {message['id']}"
    body = html.unescape(next(part.get_content() for part in mail.message.walk() if part.get_content_type() == "text/html"))
    for shown in (mail.plain, body):
        line = event["text"].split("\n")[0]
        for wanted in [of, *([f"its text: {line}"] if line else []), *(one["name"] for one in event["attachments"])]:
            if wanted not in shown.replace('<div class="x" dir="auto">', " "):
                fail(f"{mail.path} does not say {wanted!r}")


def check(args):
    spec = Spec(args.folder)
    runs = json.loads(Path(args.runs).read_text())
    mails, _ = mailbox.read(args.mail, args.policy)
    known = {spec_key(message): message for message in spec.messages}
    keeps = {"keyword": lambda message, stage: KEYWORD in message["texts"][stage]}.get(args.judge, lambda message, stage: True)
    copies, figures, for_some = defaultdict(set), [], 0
    for stage, run in enumerate(runs):
        came, placeholders = defaultdict(lambda: defaultdict(Counter)), 0
        for mail in mails:
            if mail.json["run"] != run:
                continue
            for event in mail.events:
                message = known.get(key(mail.chat, event))
                if event.get("adds_files"):
                    expected = {"type": "other" if message["kind"] == "other" else "edit", "text": message["texts"][stage], "user": message["user"]}
                    if {name: event[name] for name in expected} != expected or "previous" in event or event.get("thread") != message["thread"]:
                        fail(f"the late files of {spec_key(message)} came with {event}")
                    if message["kind"] == "message" and event["id"] != f"files:{message['id']}:" + event["id"].rpartition(":")[2]:
                        fail(f"its id is {event['id']}")
                    if not all(one["attached"] for one in event["attachments"]):
                        fail(f"{event['id']} names a file that it does not bring: {event}")
                    reads_well(mail, event, message)
                    came[spec_key(message)][mail.subject] += carried(mail, event)
                elif message is not None and event["type"] == message["kind"] and event.get("attachments"):
                    now = Counter(spec.arrivals(message)[message["since"]])
                    if message["since"] != stage or carried(mail, event) != now:
                        fail(f"{event['id']} came at stage {stage} with {event['attachments']}, and should have {now}")
                    missing = [one for one in event["attachments"] if not one["attached"]]
                    if len(missing) != len(message["files"]) - now.total() or any(one["reason"] != "missing" or "url" not in one for one in missing):
                        fail(f"{event['id']} has the placeholders {missing}")
                    placeholders += len(missing)
                    copies[spec_key(message)].add(mail.subject)
                if event.get("edited") and event["id"] not in spec.edited:
                    fail(f"{event['id']} is marked as edited")
        total, wanted = 0, {}
        for message in spec.messages:
            late = spec.late(message, stage)
            total += late.total()
            if late and keeps(message, stage):
                wanted[spec_key(message)] = late
        for which in set(came) - set(wanted):
            fail(f"stage {stage}: nobody asked for the late files of {which}: {came[which]}")
        for which, late in wanted.items():
            # What a message's copies are, so are its files'. Judged by a keyword, an edited message may have been left out itself.
            subjects = copies[which] if args.judge == "users" else {None}
            for_some += 0 < len(subjects) < 5
            if came[which] != {subject: late for subject in subjects}:
                fail(f"stage {stage}: {which} should have brought {late} for {subjects}, and brought {dict(came[which])}")
        figures.append({"late_files": total, "exported": sum(late.total() for late in wanted.values()), "messages": len(wanted), "placeholders": placeholders})
    if args.judge == "users" and (Path(args.folder) / "0").is_dir() and not for_some:
        fail("nobody joined or left: each late file is for all five recorded users")
    print(json.dumps({"stages": figures, "omitted": some(spec, lambda message: not keeps(message, 0)), "exported": some(spec, lambda message: keeps(message, 0))}))


def some(spec, which):
    """Messages to ask `explain` about, never edited, with late files; and how many events it has to tell of."""
    alike = [message for message in spec.messages if len(set(message["texts"])) == 1 and message["id"] not in spec.edited and which(message)]
    events = lambda message: 1 + sum(bool(spec.late(message, stage)) for stage in range(STAGES))
    return [{"chat": message["chat"], "id": message["id"], "events": events(message)} for message in alike if events(message) > 1][:4]


def together(args):
    """One e-mail a chat: the message with its placeholder, and after it the files that came before the run."""
    spec = Spec(args.folder)
    mails, _ = mailbox.read(args.mail)
    got, messages = defaultdict(Counter), {}
    for mail in mails:
        for event in mail.events:
            if event.get("adds_files"):
                got[key(mail.chat, event)] += carried(mail, event)
                if event["type"] == "edit" and f"late files of the message {event['target']} (not" in mail.plain:
                    fail(f"{mail.path}: the message of {event['id']} is in this very e-mail")
            elif event["type"] == "message":
                messages[mail.chat, event["id"]] = event
        if "late files of the message of Name" not in mail.plain:
            fail(f"{mail.path} does not say whose files they are")
    wanted = {spec_key(message): sum((spec.late(message, stage) for stage in range(STAGES)), Counter()) for message in spec.messages}
    wanted = {which: files for which, files in wanted.items() if files}
    if got != wanted:
        fail(f"{got} should be {wanted}")
    for message in spec.messages:
        if message["kind"] == "message" and len(set(message["texts"])) == 1 and message["id"] not in spec.edited:
            if messages[message["chat"], message["id"]].get("edited"):
                fail(f"{message['id']} is marked as edited, and only files came")
    print(json.dumps({"messages": len(wanted), "files": sum(files.total() for files in wanted.values())}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make", "check", "together"])
    parser.add_argument("rest", nargs="+")
    for name in ("mail", "runs", "policy", "judge"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    if args.what == "make":
        args.form, args.folder, args.seed = args.rest[0], args.rest[1], int(args.rest[2])
    else:
        args.folder = args.rest[0]
    {"make": make, "check": check, "together": together}[args.what](args)


main()
