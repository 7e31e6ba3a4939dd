"""Holds what `consign reconcile --events` wrote against the export and the mailbox.

reconcile.py --account FILE --mail DIR --source jsonl:FILE

Every event of the export is in the account once, with one fate; and what it calls exported is what the e-mails of the mailbox show, each in those that it names.
"""

import argparse
import json
from collections import Counter, defaultdict

import expected
import mailbox
from check import differences

FIELDS = {
    "exported": {"run", "emails"},
    "omitted": {"run", "by"},
    "held": {"run", "window", "reason"},
    "not-yet-due": set(),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--account", required=True)
    parser.add_argument("--mail", required=True)
    parser.add_argument("--source", required=True)
    args = parser.parse_args()
    work = expected.load(args.source)
    with open(args.account, encoding="utf-8") as file:
        account = [json.loads(line) for line in file]
    for one in account:
        rest = set(one) - {"source", "chat", "event", "kind", "at", "position", "fate"}
        if rest != FIELDS[one["fate"]]:
            mailbox.fail(f"a line says {one['fate']} and has {sorted(rest)}")
    places = Counter((one["source"], one["chat"], one["position"]) for one in account)
    if max(places.values(), default=0) > 1:
        mailbox.fail("an event is in the account twice")
    differences(
        "events",
        Counter((event.chat, event.type, event.at) for event in work.events),
        Counter((one["chat"], one["kind"], expected.millis(one["at"])) for one in account),
    )
    shown = defaultdict(set)
    mails, _ = mailbox.read(args.mail)
    for mail in mails:
        for event in mail.events:
            shown[mail.chat, event["type"], event["id"], expected.millis(event["at"])].add(mail.id)
    named = {
        (one["chat"], one["kind"], one["event"], expected.millis(one["at"])): set(one["emails"]) for one in account if one["fate"] == "exported"
    }
    for event in set(shown) | set(named):
        if shown.get(event) != named.get(event):
            mailbox.fail(f"{event} is in the e-mails {shown.get(event)}, and in {named.get(event)} by the account")
    print(json.dumps({"events": len(account), "emails": len(mails), "fates": dict(Counter(one["fate"] for one in account))}))


if __name__ == "__main__":
    main()
