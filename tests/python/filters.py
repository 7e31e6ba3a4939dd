"""What `consign filter` shows of real chats, held against the export itself by code that shares nothing with Consign's.

filters.py chats SPEC COUNT                     prints the ids of the chats with most events
filters.py verdicts SPEC CONFIG OUTPUT          OUTPUT: what `filter run std/keywords --config CONFIG --json` printed
filters.py captured SPEC CHAT FILE              FILE: what `filter capture --chat CHAT` wrote
"""

import json
import sys
import unicodedata
from collections import Counter

import expected
from mailbox import fail
from modules import keywords

# Letters whose Unicode names begin with their script.
SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"}


def chats(spec, count):
    counts = Counter(event.chat for event in expected.load(spec).events)
    return [chat for chat, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[: int(count)]]


def verdicts(spec, config, output):
    keep = keywords(None, json.loads(config))
    work = expected.load(spec)
    rule = "no-keyword"
    wanted = Counter()
    for event in work.events:
        if event.text is not None and event.type in ("message", "reaction"):
            wanted[event.chat, event.type, event.at, "keep" if keep({"text": event.text}) else rule] += 1
        elif event.type in ("join", "leave", "delete"):
            wanted[event.chat, event.type, event.at, rule] += 1
    got, summary, lines = Counter(), None, 0
    with open(output, encoding="utf-8") as file:
        for line in file:
            said = json.loads(line)
            if "summary" in said:
                summary = said["summary"]
            elif "verdict" in said:
                lines += 1
                got[said["chat"], said["kind"], expected.millis(said["at"]), said["verdict"]] += 1
    missing = wanted - got
    if missing:
        fail(f"{sum(missing.values())} verdicts are otherwise, such as {next(iter(missing))}")
    if summary["events"] != lines or sum(summary["by_rule"].values()) != lines or summary["failures"]:
        fail(f"{lines} events were shown, and the summary is {summary}")
    if not lines or summary["by_rule"].get("keep", 0) in (0, lines):
        fail(f"all verdicts are the same, which tests nothing: {summary}")
    return {"events": lines, "checked": sum(wanted.values()), **summary["by_rule"]}


def words(text):
    """Runs of three letters and more, in small letters."""
    found, run = set(), []
    for character in text + " ":
        if character.isalpha():
            run.append(character)
        else:
            if len(run) >= 3:
                found.add("".join(run).lower())
            run = []
    return found


def strings(value, name=""):
    """Texts of a line, but for those that say what it is: its type and the like."""
    if isinstance(value, str):
        if name not in ("type", "kind", "media_type", "at", "path"):
            yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from strings(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, name)


def same_shape(old, new):
    """Whether a text is of another one's shape; what is otherwise, if it is not."""
    if len(old) != len(new) or len(old.encode()) != len(new.encode()):
        return f"{len(old)} characters in {len(old.encode())} bytes became {len(new)} in {len(new.encode())}"
    for a, b in zip(old, new):
        kinds = unicodedata.category(a), unicodedata.category(b)
        if kinds[0][0] == "L":
            scripts = [unicodedata.name(one, "?").split()[0].split("-")[0] for one in (a, b)]
            if kinds[0] != kinds[1] or (scripts[0] in SCRIPTS and scripts[0] != scripts[1]):
                return f"a letter {kinds[0]} {scripts[0]} became {kinds[1]} {scripts[1]}"
        elif kinds[0] == "Nd":
            if kinds[1] != "Nd":
                return f"a digit became {kinds[1]}"
        elif kinds[0][0] == "M":
            if kinds[0] != kinds[1]:
                return f"a mark {kinds[0]} became {kinds[1]}"
        elif kinds[0][0] in "ZPC" and a != b:
            return f"U+{ord(a):04X} did not stay"
    return None


def captured(spec, chat, path):
    work = expected.load(spec)
    events = [event for event in work.events if event.chat == chat]
    lines = [json.loads(line) for line in open(path, encoding="utf-8")]
    made = [line for line in lines if line["type"] not in ("user", "chat")]

    wanted, got = Counter(event.type for event in events), Counter(line["type"] for line in made)
    if wanted != got:
        fail(f"chat {chat} has {dict(wanted)}, and what was made of it {dict(got)}")
    times = Counter((event.type, event.at) for event in events), Counter((line["type"], expected.millis(line["at"])) for line in made)
    if times[0] != times[1]:
        fail(f"the times are others: {next(iter(times[0] - times[1]))}")

    # Nothing of the text, and none of the ids, names and addresses.
    people = {event.user for event in events if event.user}
    secret, title = set(), work.chats[chat].title if chat in work.chats else None
    for text in [event.text for event in events] + [title] + [work.users[user].email for user in people if user in work.users]:
        secret |= words(text or "")
    there = set()
    for line in lines:
        for text in strings(line):
            there |= words(text)
    if secret & there:
        fail(f"{len(secret & there)} words of the chat came out: {sorted(secret & there)[:5]}")
    ids = people | {chat} | {event.own for event in events if event.type in ("message", "other")} | {event.target for event in events if event.target}
    new_ids = {line[name] for line in lines for name in ("id", "user", "thread", "chat") if name in line}
    if ids & new_ids:
        fail(f"{len(ids & new_ids)} ids came out")

    figures = {"events": len(made), "words": len(secret), "people": len(people)}
    if spec.startswith("jsonl:"):
        # In order, one for one: lines stand in the archive as they stand in the file.
        old_to_new, references = {}, 0
        raw = [json.loads(line) for line in open_lines(spec.partition(":")[2])]
        raw = [line for line in raw if line.get("chat") == chat and line["type"] not in ("user", "chat")]
        seen, once = set(), []
        for line in raw:
            identity = (line["type"], line.get("id"), line["at"], line.get("user"), line.get("name"), line.get("removed"))
            if identity not in seen:
                seen.add(identity)
                once.append(line)
        for old, new in zip(once, made):
            if old["type"] != new["type"]:
                fail(f"the order is another one: {old['type']} became {new['type']}")
            if problem := same_shape(old.get("text", ""), new.get("text", "")):
                fail(f"a text is of another shape: {problem}")
            for name in ("id", "user", "thread"):
                if (name in old) != (name in new):
                    fail(f"'{name}' came or went")
                if name in old:
                    references += 1
                    if old_to_new.setdefault(old[name], new[name]) != new[name]:
                        fail("one id became two")
        if len(set(old_to_new.values())) != len(old_to_new):
            fail("two ids became one")
        figures["references"] = references
    else:
        texts = Counter((event.type, event.at, len(event.text.encode())) for event in events if event.text and event.type == "message")
        new = Counter((line["type"], expected.millis(line["at"]), len(line.get("text", "").encode())) for line in made)
        if texts - new:
            fail(f"{sum((texts - new).values())} of {sum(texts.values())} texts have another length")
        figures["texts"] = sum(texts.values())
    return figures


def open_lines(path):
    import gzip

    return gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")


def main():
    what, *args = sys.argv[1:]
    print(json.dumps({"chats": chats, "verdicts": verdicts, "captured": captured}[what](*args)))


if __name__ == "__main__":
    main()
