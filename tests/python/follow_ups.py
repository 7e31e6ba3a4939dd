"""Edits, deletions and late messages that go out after the e-mail that they belong to: makes such a workspace, and says of a mailbox whether each e-mail's
References name the e-mails with the messages of its edits, and those beside whose events its late ones happened, and no other.

follow_ups.py make FOLDER SEED                              FOLDER/0.jsonl to 3.jsonl
follow_ups.py check --mail DIR --policy NAME --runs FILE    FILE: for each run of the policy its id, and the files that were in the mailbox at its end
"""

import argparse
import json
import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import mailbox
from mailbox import fail

STAGES, CHATS, USERS = 4, 3, 4
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)
WORDS = "the rate desk fixing libor quote swap please confirm client tomorrow".split()


def stamp(second):
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def make(args):
    rng, folder = random.Random(args.seed), Path(args.folder)
    folder.mkdir(parents=True)
    people = [{"type": "user", "id": f"U{user}", "name": f"Name {user}", "email": f"u{user}@desk.example"} for user in range(USERS)]
    chats = [{"type": "chat", "id": f"C{chat}", "kind": "channel", "title": f"room-{chat}"} for chat in range(CHATS)]
    sent, second = [], 0
    for stage in range(STAGES):
        lines = [*people, *chats]
        if stage == 0:
            # Some are there for a part of the time only, so not all get a copy of each message.
            for chat in range(CHATS):
                lines += [{"type": "message", "chat": f"C{chat}", "id": f"hello-{chat}-{user}", "at": stamp(-60), "user": f"U{user}", "text": "hello"} for user in range(USERS)]
                lines += [{"type": "leave", "chat": f"C{chat}", "user": f"U{rng.randrange(USERS)}", "at": stamp(rng.randrange(2000))}]
        for number in range(30):
            chat, user = f"C{rng.randrange(CHATS)}", f"U{rng.randrange(USERS)}"
            text = " ".join(rng.choice(WORDS) for _ in range(4)) + f" {stage}-{number}"
            what = rng.random()
            mine = [message for message in sent if message["chat"] == chat]
            if what < 0.5 or not mine:
                # Anywhere in the time, also before all others.
                at = rng.choice([rng.randrange(-300, 4000), second])
                message = {"type": "message", "chat": chat, "id": f"m{stage}-{number}", "at": stamp(at), "user": user, "text": text}
                second += 7
                lines.append(message)
                sent.append(message)
            elif what < 0.8:
                lines.append({"type": "edit", "chat": chat, "id": rng.choice(mine)["id"], "at": stamp(5000 + stage * 100 + number), "user": user, "text": text})
            elif what < 0.9:
                lines.append({"type": "delete", "chat": chat, "id": rng.choice(mine)["id"], "at": stamp(5000 + stage * 100 + number), "user": user})
            else:
                lines.append({"type": "reaction", "chat": chat, "id": rng.choice(mine)["id"], "at": stamp(5000 + stage * 100 + number), "user": user, "name": "thumbsup"})
        # What the dice may leave out: of each kind one with the word that the policy by keyword keeps.
        if stage == 0:
            lines.append({"type": "message", "chat": "C1", "id": "first", "at": stamp(10), "user": "U1", "text": f"{WORDS[4]} first"})
        else:
            lines.append({"type": "edit", "chat": "C1", "id": "first", "at": stamp(5500 + stage), "user": "U1", "text": f"{WORDS[4]} again {stage}"})
            lines.append({"type": "message", "chat": "C1", "id": f"late-{stage}", "at": stamp(-200 - stage), "user": "U1", "text": f"{WORDS[4]} late {stage}"})
        # An edit of a message that nobody has seen.
        lines.append({"type": "edit", "chat": "C0", "id": "never", "at": stamp(6000 + stage), "user": "U0", "text": f"{WORDS[4]} of nothing {stage}"})
        (folder / f"{stage}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def check(args):
    mails, _ = mailbox.read(args.mail, args.policy)
    runs = json.loads(Path(args.runs).read_text())
    stage_of = {run["run"]: stage for stage, run in enumerate(runs)}
    arrived = [set(run["mailbox"]) for run in runs]
    figures = Counter()
    for mail in mails:
        stage = stage_of[mail.json["run"]]
        there = arrived[stage - 1] if stage else set()
        before = [other for other in mails if Path(other.path).name in there and other.chat == mail.chat and other.subject == mail.subject]
        shown = {event["id"] for event in mail.events if event["type"] == "message"}
        wanted, any_of = set(), []
        for event in mail.events:
            if event["type"] in ("edit", "delete"):
                found = {other.id for other in before if any(one["type"] == "message" and one["id"] == event["target"] for one in other.events)}
                if event["target"] not in shown:
                    wanted |= found
                    figures["edits of earlier" if found else "edits of nothing earlier"] += 1
            elif event.get("late"):
                # The last one before it, else the first one after it; at the same time any of them.
                nearest = [((one["at"] > event["at"], abs(at(one) - at(event))), other.id) for other in before for one in other.events]
                if nearest:
                    least = min(distance for distance, _ in nearest)
                    any_of.append({which for distance, which in nearest if distance == least})
                    figures["late"] += 1
        references = (mail.message["References"] or "").replace("<", " ").replace(">", " ").split()
        if len(references) != len(set(references)):
            fail(f"{mail.path} names an e-mail twice: {references}")
        if not wanted <= set(references) or any(not one & set(references) for one in any_of):
            fail(f"{mail.path} has References {references}, and should have all of {wanted} and one of each of {any_of}")
        if extra := set(references) - wanted - set().union(*any_of):
            fail(f"{mail.path} has References to {extra}, which nothing in it belongs to")
        if references and mail.message["In-Reply-To"].strip("<> ") != references[-1]:
            fail(f"{mail.path} answers {mail.message['In-Reply-To']}, and follows {references}")
        figures["e-mails"] += 1
        figures["references"] += len(references)
    print(json.dumps(figures))


def at(event):
    return datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("folder")
    making.add_argument("seed", type=int)
    making.set_defaults(do=make)
    checking = commands.add_parser("check")
    for name in ("mail", "policy", "runs"):
        checking.add_argument(f"--{name}", required=True)
    checking.set_defaults(do=check)
    arguments = parser.parse_args()
    arguments.do(arguments)
