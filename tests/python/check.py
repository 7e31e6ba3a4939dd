"""Holds a mailbox against the export that it came from. Prints its figures as JSON; on a difference says where, and fails.

check.py everything --mail DIR --source slack:FILE|jsonl:FILE --run FILE [--policy NAME] [--repeats N]
check.py users      --mail DIR --source … --run FILE --who recorded|participants [--policy NAME]
check.py many       --cases FILE --source …    'everything' for each line of FILE: {"name", "mail", "run", "repeats"}
check.py headers    --mail DIR            no header but ours, none with a line end in it
"""

import argparse
import json
from collections import Counter, defaultdict

import expected
import mailbox

OURS = {
    "x-consign-policy", "x-consign-run", "x-consign-window", "x-consign-source", "x-consign-chat", "x-consign-chat-kind", "x-consign-group",
    "x-consign-part", "from", "to", "date", "subject", "message-id", "mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
    "precedence", "references", "in-reply-to", "reply-to", "sender", "x-desk",
}  # fmt: skip


def differences(name, wanted, got):
    missing, extra = wanted - got, got - wanted
    if missing or extra:
        some = lambda counter: "".join(f"\n    {count} x {one}" for one, count in list(counter.items())[:8])
        mailbox.fail(f"{name}: {sum(missing.values())} missing:{some(missing)}\n  {sum(extra.values())} too many:{some(extra)}")


def accounting(run, totals):
    events = run["events"]
    if events["examined"] != events["exported"] + events["omitted"] + events["held"]:
        mailbox.fail(f"examined is not exported + omitted + held: {events}")
    for name, wanted in totals.items():
        if events[name] != wanted:
            mailbox.fail(f"{name} is {events[name]} in the run's summary, and {wanted} by the mailbox and the source")


def everything(args, work, form):
    mails, copies = mailbox.read(args.mail, args.policy)
    repeats = sum(count - 1 for count in copies.values())
    if repeats > args.repeats:
        mailbox.fail(f"{repeats} e-mails came again, and {args.repeats} at most were in flight")
    got = [expected.shown(form, mail.chat, event) for mail in mails for event in mail.events]
    differences("entries", Counter(map(expected.key, work.entries)), Counter(expected.key(one) for one in got if form == "jsonl" or one.type != "reaction"))
    reactions = [event for event in got if event.type == "reaction"]
    if form != "jsonl":
        differences("reactions", Counter(map(expected.key, work.reactions)), Counter(map(expected.key, reactions)))
    earlier_texts(mails)
    by_key = {expected.key(event): event for event in got}
    texts = befores = 0
    together = shown_together(mails)
    for event in work.entries:
        shown = by_key[expected.key(event)]
        if event.before is not None and together[event.chat, event.type, event.own]:
            befores += 1
            if shown.before != event.before:
                mailbox.fail(f"the text before {expected.key(event)} is {shown.before!r}, and by the platform it was {event.before!r}")
        if event.text is not None:
            texts += 1
            if shown.text != event.text:
                mailbox.fail(f"the text of {expected.key(event)} is {shown.text!r} and should be {event.text!r}")
        if event.target is not None and shown.target != event.target:
            mailbox.fail(f"{expected.key(event)} is about {shown.target}, and should be about {event.target}")
    accounting(args.run, {"examined": len(work.events), "exported": len(work.events), "omitted": 0, "held": 0, "copies": len(got)})
    if args.run["emails"]["accepted"] != len(mails):
        mailbox.fail(f"{args.run['emails']} by the run, {len(mails)} in the mailbox")
    return {
        "emails": len(mails), "repeated": repeats, "entries": len(work.entries), "reactions": len(reactions), "texts_compared": texts, "befores_compared": befores,
        "types": dict(Counter(event.type for event in got)), "chats": len({mail.chat for mail in mails}), "bytes": sum(len(mail.raw) for mail in mails),
    }  # fmt: skip


def many(args, work, form):
    """The same export, exported many times."""
    totals = Counter()
    with open(args.cases, encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    for case in cases:
        try:
            figures = everything(argparse.Namespace(mail=case["mail"], run=case["run"], repeats=case["repeats"], policy=None), work, form)
        except SystemExit:
            mailbox.fail(f"in the case {case['name']}")
        totals.update({name: figures[name] for name in ("emails", "repeated", "entries")})
        totals["allowed"] += case["repeats"]
        totals["most_repeated"] = max(totals["most_repeated"], figures["repeated"])
    return {"cases": len(cases), **totals}


def by_group(mails):
    groups = defaultdict(list)
    for mail in mails:
        groups[mail.json["source"], mail.chat, mail.json["group"]["key"], mail.subject, mail.json["run"]].extend(mail.events)
    return groups


def shown_together(mails):
    """Which edits and deletions stand in one group with their message."""
    together = {}
    for (_, chat, *_), events in by_group(mails).items():
        shown = {event["id"] for event in events if event["type"] == "message"}
        together.update({(chat, event["type"], event["id"]): event.get("target") in shown for event in events})
    return defaultdict(bool, together)


def earlier_texts(mails):
    """An earlier text stands only where its message does: whoever did not get that must not learn it from its edit."""
    told = 0
    for group, events in by_group(mails).items():
        shown = {event["id"] for event in events if event["type"] == "message"}
        for event in events:
            if "previous" in event:
                told += 1
                if event["target"] not in shown:
                    mailbox.fail(f"{group}: the earlier text of {event['target']} is told, and the message is not there")
    return told


def users(args, work, form):
    mails, copies = mailbox.read(args.mail, args.policy)
    if set(copies.values()) - {1}:
        mailbox.fail("an e-mail came twice")
    got = defaultdict(Counter)
    for mail in mails:
        if mail.subject is None:
            mailbox.fail(f"{mail.path} is nobody's copy")
        got[mail.chat, mail.subject].update(expected.key(expected.shown(form, mail.chat, event)) for event in mail.events)
    earlier_texts(mails)
    wanted = work.copies(recorded_only=args.who == "recorded")
    differences("copies", Counter(wanted.keys()), Counter(got.keys()))
    for which, events in wanted.items():
        differences(f"the copy of {which}", events, got[which])
    exported = set().union(*(set(events) for events in wanted.values())) if wanted else set()
    total = len(work.events)
    accounting(
        args.run,
        {"examined": total, "exported": len(exported), "omitted": total - len(exported), "held": 0, "copies": sum(map(Counter.total, wanted.values()))},
    )
    marked = 0
    for mail in mails:
        for one in mail.json["participants"]:
            which, spans = (mail.chat, one["id"]), one["memberships"]
            told = [stay.get("derived", False) for stay in spans]
            first = [which in work.derived and work.derived[which] in (None, expected.span(stay)) for stay in spans]
            if told != first:
                mailbox.fail(f"{mail.path}: of the times of {which[1]}, {spans}, those marked as derived are {told}")
            if any(told) and "derived from what this user did" not in mail.plain:
                mailbox.fail(f"{mail.path}: that times are derived is not told to people")
            marked += sum(told)
    stays = work.stays()
    return {
        "emails": len(mails), "copies": len(got), "users": len({user for _, user in got}), "exported": len(exported), "nobody's": total - len(exported),
        "derived": marked,
        "events_in_copies": args.run["events"]["copies"], "rejoins": sum(len(spans) > 1 for spans in stays.values()),
        "without_any": sum(not spans for spans in stays.values()), "unrecorded": sum(not user.recorded for user in work.users.values()),
    }  # fmt: skip


def headers(args):
    mails, _ = mailbox.read(args.mail, args.policy)
    for mail in mails:
        for name, value in mail.message.items():
            if name.lower() not in OURS:
                mailbox.fail(f"{mail.path} has a header that is not ours: {name}")
            if any(ord(character) < 32 and character != "\t" for character in str(value)):
                mailbox.fail(f"{mail.path}: {name} has a control character: {value!r}")
        for part in mail.message.walk():
            name = part.get_filename() or ""
            if any(ord(character) < 32 for character in name):
                mailbox.fail(f"{mail.path}: a file's name has a control character: {name!r}")
    return {"emails": len(mails), "subjects": sorted({str(mail.message["Subject"]) for mail in mails})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["everything", "users", "many", "headers"])
    parser.add_argument("--mail")
    parser.add_argument("--cases")
    parser.add_argument("--source")
    parser.add_argument("--run")
    parser.add_argument("--policy")
    parser.add_argument("--who", default="recorded")
    parser.add_argument("--repeats", type=int, default=0)
    args = parser.parse_args()
    if args.what == "headers":
        figures = headers(args)
    elif args.what == "many":
        figures = many(args, expected.load(args.source), args.source.partition(":")[0])
    else:
        with open(args.run, encoding="utf-8") as file:
            args.run = json.load(file)
        form = args.source.partition(":")[0]
        figures = {"everything": everything, "users": users}[args.what](args, expected.load(args.source), form)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
