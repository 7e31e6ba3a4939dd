"""Memberships, recorded users and times of recording that become known after events were exported: makes such a workspace, and says who must have got what
by now.

owed.py make FOLDER SEED              FOLDER/0.jsonl to 3.jsonl, and FOLDER/upto-0.jsonl …: all up to that one; FOLDER/0.csv …: identity maps
owed.py owed FOLDER --stage N --who recorded|participants --account FILE
                                      FILE: `consign reconcile --events` after the import of stage N and before its run, where all before is done
owed.py check FOLDER --mail DIR --policy NAME --who recorded|participants
"""

import argparse
import csv
import json
import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import expected
import mailbox
from mailbox import fail

STAGES, CHATS, USERS = 4, 4, 6
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)


def stamp(second):
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make(args):
    rng, folder = random.Random(args.seed), Path(args.folder)
    folder.mkdir(parents=True)
    # Each event has a second of its own, so its time tells it from all others.
    seconds = rng.sample(range(20_000), 2_000)
    lines = [[] for _ in range(STAGES)]
    recorded_at = {f"U{user}": rng.choice([0, 0, 0, 1, 2, None]) for user in range(USERS)}
    for stage in range(STAGES):
        for user, since in recorded_at.items():
            lines[stage].append({"type": "user", "id": user, "name": f"Name {user}", "email": f"{user}@desk.example", "recorded": since is not None and stage >= since})
        lines[stage] += [{"type": "chat", "id": f"C{chat}", "kind": "channel", "title": f"room-{chat}"} for chat in range(CHATS)]
    for chat in range(CHATS):
        for user in range(USERS):
            # Comes and goes, each known at some stage; of some only what they write tells that they are there.
            for number in range(rng.choice([0, 1, 2, 3])):
                kind = "join" if number % 2 == 0 else "leave"
                lines[rng.randrange(STAGES)].append({"type": kind, "chat": f"C{chat}", "user": f"U{user}", "at": stamp(seconds.pop())})
    for stage in range(STAGES):
        for number in range(40):
            chat, user = f"C{rng.randrange(CHATS)}", f"U{rng.randrange(USERS)}"
            lines[stage].append({"type": "message", "chat": chat, "id": f"m{stage}-{number}", "at": stamp(seconds.pop()), "user": user, "text": f"{stage} {number}"})
        rng.shuffle(lines[stage])
        # The platform's lists come first.
        lines[stage].sort(key=lambda line: {"user": 0, "chat": 1}.get(line["type"], 2))
    for stage in range(STAGES):
        rows = ["id,email,recorded,recorded-from,recorded-until,department"]
        # Who is not in it, is recorded as the platform says. Of the others each stage knows other times, also such as are over.
        for user in range(3, USERS):
            times = [sorted(rng.sample(range(20_000), 2)) for _ in range(rng.choice([0, 1, 1, 2]))]
            rows += [f"U{user},u{user}@corp.example,yes,{stamp(since)},{stamp(until)},FX" for since, until in times]
            rows += [] if times else [f"U{user},u{user}@corp.example,no,,,FX"]
        (folder / f"{stage}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        write = lambda name, some: (folder / name).write_text("".join(json.dumps(line) + "\n" for line in some), encoding="utf-8")
        write(f"{stage}.jsonl", lines[stage])
        write(f"upto-{stage}.jsonl", [line for some in lines[: stage + 1] for line in some])


def recorded_times(folder, stage):
    """What an identity map says of each user whom it names."""
    times = {}
    with open(f"{folder}/{stage}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            of_user = times.setdefault(row["id"], [])
            if row["recorded"] == "yes":
                of_user.append((expected.millis(row["recorded-from"]), expected.millis(row["recorded-until"])))
    return times


def copies(folder, who):
    """For each stage what is a copy by what is known then: (chat, user, type, time). And the stage at which each event came."""
    known, came = [], {}
    for stage in range(STAGES):
        work = expected.load(f"jsonl:{folder}/upto-{stage}.jsonl")
        for event in work.events:
            came.setdefault((event.chat, event.type, event.at), stage)
        times = recorded_times(folder, stage)
        copied = {(chat, user, event[1], event[4]) for (chat, user), events in work.copies(False).items() for event in events}
        is_recorded = lambda user, at: any(since <= at <= until for since, until in times[user]) if user in times else work.recorded(user)
        known.append({copy for copy in copied if who != "recorded" or is_recorded(copy[1], copy[3])})
    return known, came


def owed(args):
    known, came = copies(args.folder, args.who)
    stage_of = lambda copy: came[copy[0], copy[2], copy[3]]
    got = {copy for stage in range(args.stage) for copy in known[stage] if stage_of(copy) <= stage}
    wanted = {copy for copy in known[args.stage] if stage_of(copy) < args.stage and copy not in got}
    with open(args.account, encoding="utf-8") as file:
        account = [json.loads(line) for line in file]
    said = {(one["chat"], user, one["kind"], expected.millis(one["at"])) for one in account if one["fate"] == "owed" for user in one["to"]}
    if said != wanted:
        fail(f"owed are {len(wanted)} copies, and said to be {len(said)}: missing {sorted(wanted - said)[:5]}, too many {sorted(said - wanted)[:5]}")
    print(json.dumps({"copies": len(wanted), "events": len({(copy[0], copy[3]) for copy in wanted})}))


def check(args):
    known, came = copies(args.folder, args.who)
    wanted = {copy for stage in range(STAGES) for copy in known[stage] if came[copy[0], copy[2], copy[3]] <= stage}
    mails, _ = mailbox.read(args.mail, args.policy)
    got, later = Counter(), 0
    for mail in mails:
        is_supplement = "supplement" in mail.json
        if is_supplement != ("Supplement:" in mail.plain):
            fail(f"{mail.path} says in one place only that it is a supplement")
        if any(one["email"] != f"{one['id'].lower()}@corp.example" for one in mail.json["participants"] if one["id"] in ("U3", "U4", "U5")):
            fail(f"{mail.path} lacks an address of the identity map: {mail.json['participants']}")
        for event in mail.events:
            got[mail.chat, mail.subject, event["type"], expected.millis(event["at"])] += 1
            later += is_supplement
    if twice := [copy for copy, count in got.items() if count > 1]:
        fail(f"{len(twice)} copies were sent twice: {twice[:5]}")
    if set(got) != wanted:
        fail(f"{len(wanted)} copies should have gone out, and {len(got)} did: missing {sorted(wanted - set(got))[:5]}, too many {sorted(set(got) - wanted)[:5]}")
    print(json.dumps({"copies": len(got), "later": later, "emails": len(mails)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["make", "owed", "check"])
    parser.add_argument("folder")
    parser.add_argument("seed", type=int, nargs="?")
    for name in ("mail", "policy", "who", "account"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--stage", type=int)
    arguments = parser.parse_args()
    {"make": make, "owed": owed, "check": check}[arguments.what](arguments)
