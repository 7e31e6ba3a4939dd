"""What a stand-in for a platform gave out, against what the e-mails say.

asked.py change --port N                       things happen at the stand-in
asked.py compare --port N --mail DIR           every event that it gave out is in the e-mails, once
asked.py files   --port N --mail DIR           what a server of files has that the test fetched is in the e-mails, once, under the names of its messages
"""

import argparse
import hashlib
import json
import sys
import urllib.request
from collections import Counter

import expected
import mailbox


def control(args, path):
    request = urllib.request.Request(f"http://127.0.0.1:{args.port}{path}", data=b"{}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def change(args):
    # What is there now was read.
    control(args, "/_settle")
    control(args, "/_change")


def compare(args):
    control(args, "/_settle")
    wanted = Counter()
    for chat, about in control(args, "/_dump")["chats"].items():
        wanted.update((chat, *event) for event in about["events"])
    mails, _ = mailbox.read(args.mail)
    got = Counter()
    for mail in mails:
        for event in mail.events:
            of = event["id"] if event["type"] == "message" else event.get("target")
            got[mail.chat, event["type"], of, expected.millis(event["at"]), event["user"] or "", event.get("text", "")] += 1
    if got != wanted:
        mailbox.fail(f"missing: {list((wanted - got).items())[:3]}; too many: {list((got - wanted).items())[:3]}")
    print(json.dumps({"events": sum(got.values()), "emails": len(mails), "types": Counter(event[1] for event in got)}))


def files(args):
    wanted = {}
    for event, path, kind in [("there", "pdf/5000/a", "application/pdf"), ("behind-a-token", "png/3000/b", "image/png")]:
        with urllib.request.urlopen(f"http://127.0.0.1:{args.port}/sha/{path}", timeout=60) as answer:
            wanted[event] = (f"{event}.pdf", answer.read().decode(), kind)
    mails, _ = mailbox.read(args.mail)
    came, placeholders = {}, 0
    for mail in mails:
        inside = {hashlib.sha256(part.get_payload(decode=True)).hexdigest(): part.get_content_type() for part in mail.attached}
        for event in mail.events:
            for one in event.get("attachments", []):
                if not one["attached"]:
                    placeholders += one["reason"] == "missing" and "url" in one and not event.get("adds_files")
                elif not event.get("adds_files") or event["target"] in came:
                    mailbox.fail(f"{mail.path}: {event}")
                else:
                    came[event["target"]] = (one["name"], one["sha256"], inside.get(one["sha256"]))
    if came != wanted or placeholders != 6:
        mailbox.fail(f"{came} came, with {placeholders} placeholders, and should be {wanted}")
    print(json.dumps({"files": len(came), "placeholders": placeholders}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["change", "compare", "files"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mail")
    args = parser.parse_args()
    {"change": change, "compare": compare, "files": files}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
