"""Promises of the design that need more than counting events. Prints figures as JSON; fails with what it saw.

promises.py files FOLDER --mail DIR --takes all|none|images|small [--max-size BYTES]    attachments, byte for byte
promises.py sealed DATA --mail DIR                                                    what is exported without decrypting is the archive's own file
promises.py explain FILE --mail DIR --kept POLICY                                     FILE: what `explain --json` said of some events
promises.py ids --mail DIR                                                            some events to ask about
promises.py late --mail DIR --runs FILE --source jsonl:FILE                           two runs: the second has the rest, marked late
promises.py previewed FOLDER --mail DIR --run ID                                      the e-mails of FOLDER are those of the mailbox, of this run byte for byte
promises.py twice DIR --mail DIR                                                      how many e-mails lie in both
"""

import argparse
import glob
import hashlib
import json
import os
from collections import Counter

import expected
import mailbox
from mailbox import fail

sha = lambda content: hashlib.sha256(content).hexdigest()


def content(part):
    """The bytes as they were attached: `message/rfc822` is no leaf for Python."""
    payload = part.get_payload(decode=True)
    return payload if payload is not None else fail(f"{part.get_content_type()} can't be read")


def files(args):
    takes = {
        "all": lambda kind, size: True,
        "none": lambda kind, size: False,
        "images": lambda kind, size: kind.startswith("image/"),
        "small": lambda kind, size: size <= 1024,
    }[args.takes]
    wanted, gone, placeholders, said, texts = Counter(), 0, Counter(), Counter(), {}
    with open(os.path.join(args.what_of, "chat.jsonl"), encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            for one in line.get("attachments", []):
                if "path" not in one:
                    gone += 1
                    continue
                with open(os.path.join(args.what_of, one["path"]), "rb") as file:
                    content_here = file.read()
                (wanted if takes(one["media_type"], len(content_here)) else placeholders)[one["name"], sha(content_here)] += 1
    mails, _ = mailbox.read(args.mail)
    got, events = Counter(), Counter()
    for mail in mails:
        if args.max_size and len(mail.raw) > args.max_size:
            fail(f"{mail.path} has {len(mail.raw)} bytes, and {args.max_size} is the most")
        for part in mail.attached:
            got[part.get_filename(), sha(content(part))] += 1
        for event in mail.events:
            events[event["id"]] += 1
            for one in event.get("attachments", []):
                said["attached" if one["attached"] else one["reason"]] += 1
                if one.get("reason") == "missing" and not one.get("url"):
                    fail(f"{event['id']}: a missing file without its URL")
                if not one["attached"] and one["name"] not in mail.plain and one["name"][:40] not in mail.plain:
                    fail(f"{event['id']}: no placeholder for {one['name']!r} in the plain text")
    by_bytes = lambda counter: Counter({digest: sum(count for (_, one), count in counter.items() if one == digest) for _, digest in counter})
    missing = by_bytes(wanted) - by_bytes(got)
    extra = by_bytes(got) - by_bytes(wanted)
    # One e-mail carries the same bytes once.
    if set(missing) - set(by_bytes(got)) or set(extra) - set(by_bytes(wanted)):
        fail(f"files missing: {missing}; files that nobody sent: {extra}")
    if said["missing"] != gone or set(events.values()) != {1}:
        fail(f"{said}, {gone} without bytes in the source; {events}")
    print(json.dumps({"emails": len(mails), "files": sum(got.values()), "said": dict(said), "largest": max(len(mail.raw) for mail in mails)}))


def sealed(args):
    ours = {sha(open(path, "rb").read()): path for path in glob.glob(os.path.join(args.what_of, "archive/**/*.age"), recursive=True)}
    got, events = Counter(), 0
    for path in mailbox.files(args.mail):
        mail = mailbox.Mail(path)
        if mail.events:
            fail(f"{path} shows events, and the policy does not decrypt")
        says = mail.json["encrypted_events"]
        events += says
        if says != sum(one["events"] for one in mail.json["files"]) or f"{says:,} event" not in mail.plain or f"{says} encrypted events" not in str(mail.message["Subject"]):
            fail(f"{path} has {says} encrypted events, and does not say so: {mail.message['Subject']}")
        if not mail.json["started"] or not mail.json["ended"]:
            fail(f"{path} says no period")
        for part in mail.attached:
            got[sha(content(part))] += 1
    segments = {digest for digest, path in ours.items() if path.endswith(".arrow.age") and "/segments/" in path}
    if set(got) != segments:
        fail(f"{len(set(got) - segments)} attached files are none of the archive's, {len(segments - set(got))} of the archive's are missing")
    if set(got.values()) != {1}:
        fail(f"a segment went out twice: {got}")
    print(json.dumps({"segments": len(segments), "events": events}))


def explain(args):
    mails, _ = mailbox.read(args.mail)
    where = {}
    for mail in mails:
        for event in mail.events:
            where.setdefault((mail.chat, event["id"], event["type"]), []).append(mail.id)
    with open(args.what_of, encoding="utf-8") as file:
        said = json.load(file)
    fates = Counter()
    for one in said:
        key = (one["chat"]["id"], one["event"], one["kind"])
        fate = one["fate"]
        fates[fate["fate"]] += 1
        emails = sorted(email["message_id"] for email in fate.get("emails", []))
        if emails != sorted(where.get(key, [])):
            fail(f"explain says of {key} {emails}, and it is in {where.get(key)}")
        if fate["fate"] == "omitted" and not all(by["rule"] == "no-keyword" and by["module"].startswith("std/keywords@") for by in fate["by"]):
            fail(f"{key}: {fate}")
    print(json.dumps(dict(fates)))


def ids(args):
    """Every fifteenth event or so, of each type."""
    mails, _ = mailbox.read(args.mail)
    events = sorted((event["type"], mail.chat, event["id"]) for mail in mails for event in mail.events if event["type"] != "reaction")
    print(json.dumps([{"chat": chat, "id": name} for _, chat, name in events[:: max(len(events) // 40, 1)]]))


def late(args):
    work = expected.load(args.source)
    mails, _ = mailbox.read(args.mail)
    with open(args.runs, encoding="utf-8") as file:
        runs = [run["run"] for run in json.load(file)]
    got = {run: [] for run in runs}
    for mail in mails:
        got[mail.json["run"]].extend((expected.shown("jsonl", mail.chat, event), event.get("late", False)) for event in mail.events)
    both = Counter(expected.key(event) for events in got.values() for event, _ in events)
    wanted = Counter(map(expected.key, work.events))
    if both != wanted:
        fail(f"{len(wanted - both)} events missing, {len(both - wanted)} too many")
    latest = {}
    for event, _ in got[runs[0]]:
        latest[event.chat] = max(latest.get(event.chat, event.at), event.at)
    marked = Counter()
    for event, is_late in got[runs[1]]:
        marked[is_late] += 1
        if event.chat in latest and event.at < latest[event.chat] and not is_late:
            fail(f"{event} came after the first run with an earlier time, and is not marked as late")
    if any(is_late for _, is_late in got[runs[0]]):
        fail("the first run marks an event as late")
    print(json.dumps({"first": len(got[runs[0]]), "second": len(got[runs[1]]), "late": marked[True]}))


def previewed(args):
    folder, sent = (mailbox.read(path)[0] for path in (args.what_of, args.mail))
    whole = lambda mails: Counter(mail.sha256 for mail in mails if mail.json["run"] == args.run)
    shown = lambda mails: Counter(
        (mail.json["source"], mail.chat, mail.json["group"]["key"], mail.subject, str(mail.message["Subject"]), *sorted(event["position"] for event in mail.events))
        for mail in mails if mail.json["run"] != args.run
    )  # fmt: skip
    for what, by in (("byte for byte", whole), ("by their events", shown)):
        missing, extra = by(sent) - by(folder), by(folder) - by(sent)
        if missing or extra:
            fail(f"compared {what}, the preview lacks {missing.total()} e-mails that were sent, and has {extra.total()} that were not")
    print(json.dumps({"byte_for_byte": whole(sent).total(), "by_events": shown(sent).total()}))


def twice(args):
    one, other = ({mail.id for mail in mailbox.read(path)[0]} for path in (args.what_of, args.mail))
    print(len(one & other))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["files", "sealed", "explain", "late", "ids", "previewed", "twice"])
    parser.add_argument("what_of", nargs="?")
    for name in ("mail", "takes", "kept", "runs", "run", "source"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--max-size", type=int)
    args = parser.parse_args()
    {"files": files, "sealed": sealed, "explain": explain, "late": late, "ids": ids, "previewed": previewed, "twice": twice}[args.what](args)


main()
