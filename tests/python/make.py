"""Makes workspaces for the tests. The same seed makes the same one.

make.py slack FILE SEED        a Slack export in the shape of a real one, with every subtype
make.py FORMAT FILE SEED       an export of mattermost, discord, teams or matrix (formats/)
make.py jsonl FILE SEED        recorded and unrecorded users, re-joins, two joins in one millisecond, people who never joined, empty chats
make.py talk FILE SEED COUNT   many messages in many chats, as JSON lines, gzipped
make.py even FILE SEED COUNT   the same with 100 messages of about 1 KB in each chat, by 20 people
make.py few FILE SEED COUNT    so many chats of three messages each, by 20 people
make.py large FILE SEED MIB    a Slack export of so many MiB, not packed: 200 channels, a megabyte a day
make.py evil FILE              names with line ends and headers in them
make.py broken FOLDER          exports that are broken, each in its own way
make.py files FOLDER SEED      messages with files of many kinds and sizes: FOLDER/chat.jsonl
make.py half FILE SEED OUT     about half of the events of a jsonl file, in its order
make.py newer MARK             a store's mark of a release that is yet to come
"""

import gzip
import importlib
import json
import random
import sys
import zipfile
import zlib
from pathlib import Path
from datetime import datetime, timedelta, timezone

WORDS = "the rate desk fixing libor quote swap please confirm client spread morning naïve Größe 日本 🎉 <b> & ok tomorrow invoice legal".split()
START = datetime(2026, 1, 5, 7, 0, tzinfo=timezone.utc)


def stamp(ms):
    at = START + timedelta(milliseconds=ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 14)))


def slack(path, seed):
    rng = random.Random(seed)
    users = [{"id": f"U{n:03}", "name": f"login{n}", "real_name": f"Person {n} Ü", "profile": {"email": f"p{n}@desk.example"} if n % 4 else {}} for n in range(60)]
    channels, groups, files = [], [], {}
    for number in range(30):
        members = rng.sample(users, rng.randint(1, 20))
        (channels if number % 6 else groups).append({"id": f"C{number:03}", "name": f"room-{number}", "members": [user["id"] for user in members]})
    for chat in channels + groups:
        entries, micro, sent = [], 0, []
        for _ in range(rng.randint(0, 150)):
            micro += rng.randint(1, 40_000_000)
            second = int(START.timestamp()) + micro // 1000
            entry = {"type": "message", "ts": f"{second}.{micro % 1000:03}{len(entries) % 1000:03}", "user": rng.choice(users)["id"]}
            kind = rng.random()
            escaped = sentence(rng).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            entry["text"] = escaped + rng.choice(["", f" <@{rng.choice(users)['id']}>", " <https://a.example/?x=1&amp;y=2|see here>", " <!here>", f" <#{chat['id']}>"])
            if kind < 0.1 and sent:
                before = rng.choice(sent)
                after = dict(before, text="new " + escaped, edited={"user": before["user"], "ts": entry["ts"]})
                entry = {"type": "message", "subtype": "message_changed", "ts": entry["ts"], "message": after, "previous_message": before}
            elif kind < 0.13 and sent:
                before = rng.choice(sent)
                entry = {"type": "message", "subtype": "message_deleted", "ts": entry["ts"], "deleted_ts": before["ts"], "previous_message": before}
            elif kind < 0.14 and sent:  # a message with answers is deleted so
                before = rng.choice(sent)
                after = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": before["ts"], "text": "This message was deleted."}
                entry = {"type": "message", "subtype": "message_changed", "ts": entry["ts"], "message": after, "previous_message": before}
            elif kind < 0.15:
                entry.update(subtype="tombstone", user="USLACKBOT", text="This message was deleted.")
            elif kind < 0.22:
                entry["subtype"] = "channel_join"
            elif kind < 0.25:
                entry["subtype"] = "channel_leave"
            elif kind < 0.3:
                entry.update(subtype="bot_message", bot_id="B1", username="builds")
                del entry["user"]
                # A notification's line as the text, and what it is about in blocks, one of which says the line again.
                section = lambda text: {"type": "section", "text": {"type": "mrkdwn", "text": text}}
                entry["blocks"] = [section(entry["text"]), {"type": "divider"}, section(f"Deal {micro}: &lt;sold&gt; by <@{rng.choice(users)['id']}>")]
            elif kind < 0.33:
                entry["subtype"] = "channel_topic"
            elif kind < 0.36:
                entry.update(subtype="file_share", files=[{"id": f"F{micro}", "name": "q 3.pdf", "mimetype": "application/pdf", "url_private": "https://files/x"}])
            else:
                if kind < 0.5:
                    entry["reactions"] = [{"name": "thumbsup", "users": [user["id"] for user in rng.sample(users, 2)], "count": 2}]
                sent.append(dict(entry))
            entries.append(entry)
        for entry in entries:
            day = datetime.fromtimestamp(int(entry["ts"].split(".")[0]), timezone.utc).strftime("%Y-%m-%d")
            files.setdefault(f"{chat['name']}/{day}.json", []).append(entry)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"users.json": users, "channels.json": channels, "groups.json": groups, "dms.json": [], "mpims.json": [], **files}.items():
            archive.writestr(name, json.dumps(content))


def jsonl(path, seed):
    rng = random.Random(seed)
    lines, ids = [], [f"U{number}" for number in range(24)]
    for number, user in enumerate(ids[:-2]):  # two of them are in no list
        line = {"type": "user", "id": user, "name": f"Name {number}", "email": f"{user}@desk.example" if number % 5 else None}
        if number % 3 == 0:
            line["recorded"] = False
        elif number % 3 == 1:
            line["recorded"] = True
        lines.append({name: value for name, value in line.items() if value is not None})
    for number in range(20):
        chat = f"C{number}"
        lines.append({"type": "chat", "id": chat, "kind": rng.choice(["channel", "group", "direct", "meeting"]), "title": f"room {number}", "labels": {"team": rng.choice(["fx", "rates", "ops"])}})
        if number % 7 == 6:
            continue  # nothing ever happened in it
        ms, events, inside, sent = 0, [], set(), []
        for step in range(rng.randint(5, 60)):
            ms += rng.choice([0, 0, 1, 1, 7, 900, 60_000])
            kind, user = rng.random(), rng.choice(ids)
            moved = any(one["type"] in ("join", "leave") and one["user"] == user and one["at"] == stamp(ms) for one in events)
            if kind < 0.25 and not moved and user not in inside:
                events.append({"type": "join", "chat": chat, "user": user, "at": stamp(ms)})
                inside.add(user)
                if rng.random() < 0.4:  # another one, in the same millisecond
                    other = rng.choice([one for one in ids if one not in inside])
                    if not any(one["user"] == other and one["at"] == stamp(ms) for one in events):
                        events.append({"type": "join", "chat": chat, "user": other, "at": stamp(ms)})
                        inside.add(other)
            elif kind < 0.3 and not moved and user in inside:  # left and back in one millisecond
                events.extend({"type": move, "chat": chat, "user": user, "at": stamp(ms)} for move in ("leave", "join"))
            elif kind < 0.45 and not moved:
                events.append({"type": "leave", "chat": chat, "user": user, "at": stamp(ms)})  # now and then of one who never joined
                inside.discard(user)
            elif kind < 0.5 and sent:
                events.append({"type": "edit", "chat": chat, "id": rng.choice(sent), "at": stamp(ms + 1), "user": user, "text": sentence(rng)})
                ms += 1
            elif kind < 0.53 and sent:
                events.append({"type": "delete", "chat": chat, "id": rng.choice(sent), "at": stamp(ms + 1), "user": user})
                ms += 1
            elif kind < 0.58 and sent:
                events.append({"type": "reaction", "chat": chat, "id": rng.choice(sent), "at": stamp(ms), "user": user, "name": "eyes", "removed": rng.random() < 0.3})
            else:
                events.append({"type": "message", "chat": chat, "id": f"{chat}m{step}", "at": stamp(ms), "user": user, "text": sentence(rng)})
                sent.append(f"{chat}m{step}")
        if events:
            events.append(dict(events[0]))  # the same again is stored once
        lines.extend(events)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def talk(path, seed, count, even=False):
    rng = random.Random(seed)
    chats, people = max(count // (100 if even else 17), 1), [f"u{number:04}" for number in range(20 if even else max(count // 35, 2))]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        write = lambda line: file.write(json.dumps(line, ensure_ascii=False) + "\n")
        for user in people:
            write({"type": "user", "id": user, "name": f"Name of {user}", "email": f"{user}@corp.example", "bot": False})
        for chat in range(chats):
            write({"type": "chat", "id": f"t{chat:05}", "kind": "group", "title": f"talk {chat}"})
        for number in range(count):
            chat = number % chats if even or number < chats else min(int(rng.paretovariate(1.1)) - 1, chats - 1)
            at, text = stamp(number * 61_000), sentence(rng) * (20 if even else 1)
            write({"type": "message", "chat": f"t{chat:05}", "id": f"m{number}", "at": at, "user": rng.choice(people), "text": text})


def even(path, seed, count):
    talk(path, seed, count, even=True)


def few(path, seed, count):
    rng = random.Random(seed)
    people = [f"u{number:02}" for number in range(20)]
    with open(path, "w", encoding="utf-8") as file:
        write = lambda line: file.write(json.dumps(line, ensure_ascii=False) + "\n")
        for user in people:
            write({"type": "user", "id": user, "name": f"Name of {user}", "email": f"{user}@corp.example", "bot": False})
        for chat in range(count):
            write({"type": "chat", "id": f"t{chat:05}", "kind": "group", "title": f"talk {chat}"})
            for number in range(3):
                message = {"type": "message", "chat": f"t{chat:05}", "id": f"m{chat}-{number}", "at": stamp(chat * 61_000 + number)}
                write(message | {"user": rng.choice(people), "text": sentence(rng)})


def large(path, seed, mib):
    rng = random.Random(seed)
    users = [{"id": f"U{number}", "name": f"user{number}", "profile": {"email": f"u{number}@desk.example"}} for number in range(500)]
    channels = [{"id": f"C{number}", "name": f"room-{number}", "members": [user["id"] for user in rng.sample(users, 20)]} for number in range(200)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("users.json", json.dumps(users))
        archive.writestr("channels.json", json.dumps(channels))
        for number in range(mib):
            channel, day = channels[number % len(channels)], START + timedelta(days=number // len(channels))
            second, entries = int(day.timestamp()), []
            # Some 180 bytes each.
            for place in range(6000):
                text = f"{number} {place} {rng.getrandbits(400):x}"
                entries.append({"type": "message", "user": channel["members"][place % 20], "text": text, "ts": f"{second + place}.{place:06}"})
            archive.writestr(f"{channel['name']}/{day:%Y-%m-%d}.json", json.dumps(entries))


def evil(path):
    break_out = "x\r\nBcc: evil@evil.example\r\n\r\nbody\u2028\u0000"
    lines = [
        {"type": "user", "id": "U1", "name": break_out, "email": "ann@desk.example\r\nBcc: evil@evil.example", "attributes": {"a\r\nX-Evil: 1": break_out}},
        {"type": "user", "id": "U2", "name": "Bob\nSubject: other", "email": "bob@desk.example"},
        {"type": "chat", "id": "C1", "kind": "channel", "title": "title\r\nX-Evil: yes\r\n\r\n--boundary", "labels": {"team\r\nX-Evil: 2": "fx\nX-Evil: 3"}},
        {"type": "join", "chat": "C1", "user": "U1", "at": stamp(0)},
        {"type": "message", "chat": "C1", "id": "m1", "at": stamp(1), "user": "U1", "text": "hello\r\n.\r\nFrom here\r\n--consign\r\nX-Evil: 4"},
        {"type": "message", "chat": "C1", "id": "m2", "at": stamp(2), "user": "U2", "text": "file", "thread": "m1",
         "attachments": [{"name": "a\r\nX-Evil: 5\";x=\".pdf", "media_type": "text/plain\r\nX-Evil: 6", "path": "files/a.txt"}]},
        {"type": "reaction", "chat": "C1", "id": "m1", "at": stamp(3), "user": "U2", "name": "thumbs\r\nX-Evil: 7"},
    ]  # fmt: skip
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def broken(folder):
    folder = Path(folder)
    slack(folder / "good.zip", 7)
    good = (folder / "good.zip").read_bytes()
    (folder / "not.zip").write_text("Dear Sir or Madam,\n")
    (folder / "empty.zip").write_bytes(b"")
    (folder / "cut.zip").write_bytes(good[: len(good) // 2])
    flipped = bytearray(good)
    entry = zipfile.ZipFile(folder / "good.zip").infolist()[40]
    flipped[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0x10
    (folder / "flipped.zip").write_bytes(flipped)
    lists = {"users.json": "[]", "channels.json": '[{"id":"C1","name":"room","members":[]}]'}

    def pack(name, files):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in {**lists, **files}.items():
                archive.writestr(path, content)

    good_day = '[{"type":"message","user":"U1","text":"kept","ts":"1767600000.000100"}]'
    pack("climbing.zip", {"room/2026-01-05.json": good_day, "../../climbed/2026-01-05.json": good_day})
    pack("bomb.zip", {"room/2026-01-05.json": "[" + " " * 200_000_000 + "]"})
    pack("other.zip", {"users.json": "{}", "letter.txt": "no export"})
    with zipfile.ZipFile(folder / "letter.zip", "w") as archive:
        archive.writestr("letter.txt", "no export")
    lines = ["[", '{"type":"message","user":"U1","text":"a","ts":"1767600001.000100"},', '{"type":"message","user":"U1",,', "]"]
    pack("line3.zip", {"room/2026-01-05.json": good_day, "room/2026-01-06.json": "\n".join(lines)})
    pack("users-line2.zip", {"users.json": '[{"id":"U1"},\n{"id" "U2"}]', "room/2026-01-05.json": good_day})
    message = lambda name: json.dumps({"type": "message", "chat": "C1", "id": name, "at": stamp(0), "user": "U1", "text": "kept"})
    (folder / "line3.jsonl").write_text("\n".join([message("m1"), message("m2"), '{"type":"message","chat":"C1",', message("m3")]) + "\n")
    (folder / "at.jsonl").write_text(message("m1") + "\n" + message("m2").replace(stamp(0), "yesterday") + "\n")
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress("\n".join(message(f"m{n}") for n in range(500)).encode())[:-40])


KINDS = ["application/pdf", "image/png", "image/jpeg", "text/plain", "application/octet-stream", "message/rfc822", "text/html"]


def files(folder, seed):
    rng = random.Random(seed)
    folder = Path(folder)
    (folder / "bytes").mkdir(parents=True)
    lines = [{"type": "user", "id": "U1", "name": "Ann", "email": "ann@desk.example"}, {"type": "chat", "id": "C1", "kind": "group", "title": "files"}]
    for number in range(40):
        attachments = []
        for place in range(rng.choice([0, 1, 1, 3])):
            size = rng.choice([0, 1, 57, 76, 1000, 30_000, 200_000])
            content = rng.choice([rng.randbytes(size), (b"From here\r\n.\n--x\r" * size)[:size], "größe 🎉\n".encode() * (size // 11)])
            name = f"{number}-{place}"
            (folder / "bytes" / name).write_bytes(content)
            shown = rng.choice(["report.pdf", "Bericht größe 🎉.pdf", "a;b\"c'd.txt", "x" * 150 + ".png", "..\\..\\evil.exe", "日本.docx"])
            attachments.append({"name": shown, "media_type": rng.choice(KINDS), "path": f"bytes/{name}"})
        if rng.random() < 0.1:
            attachments.append({"name": "gone.pdf", "media_type": "application/pdf", "url": "https://files.example/gone"})
        at = stamp(number * 1000)
        lines.append({"type": "message", "chat": "C1", "id": f"m{number}", "at": at, "user": "U1", "text": sentence(rng), "attachments": attachments})
    (folder / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def half(path, seed, out):
    rng = random.Random(int(seed))
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if json.loads(line)["type"] in ("user", "chat") or rng.random() < 0.5]
    Path(out).write_text("".join(lines), encoding="utf-8")


def newer(mark):
    line = json.dumps({"format": 99, "committed": 0, "closed": None}, separators=(",", ":"))
    Path(mark).write_text(f"{zlib.crc32(line.encode()):08x} {line}".ljust(199) + "\n")


def main():
    what, path, *rest = sys.argv[1:]
    if what == "half":
        return half(path, *rest)
    if what in ("mattermost", "discord", "teams", "matrix"):
        return importlib.import_module(f"formats.{what}").make(path, *map(int, rest))
    {"slack": slack, "jsonl": jsonl, "talk": talk, "even": even, "few": few, "large": large, "evil": evil, "broken": broken, "files": files, "newer": newer}[what](path, *map(int, rest))


main()
