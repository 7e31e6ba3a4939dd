"""Exports of Discord by DiscordChatExporter, as JSON: random ones, and what must come of one.

In `Event.own`: Discord's own id, of an edit the message's, of a reaction the message's and the emoji's name."""

import json
import random
import re
import zipfile
from datetime import datetime, timedelta, timezone

from expected import Chat, Event, User, Workspace, millis, own_of_target

EPOCH = 1420070400000  # of Discord's ids
START = 1767600000000
WORDS = "the rate desk fixing libor quote **swap** please __confirm__ client ||spread|| `code` naïve Größe 日本 🎉 <b> & \"ok\" tomorrow 'legal' @everyone :tada:".split()
KINDS = ["GuildTextChat", "GuildTextChat", "GuildNews", "GuildVoiceChat", "GuildPublicThread", "GuildPrivateThread", "GuildNewsThread", "DirectTextChat", "DirectTextChat", "DirectGroupTextChat"]
SYSTEM = {"Call": "Started a call that lasted 5 minutes.", "ChannelNameChange": "Changed the channel name: desk", "ChannelIconChange": "Changed the channel icon.", "ThreadCreated": "Started a thread.", "8": "", "46": ""}
EMOJI = [("", "👍", "thumbsup"), ("", "👀", "eyes"), ("700", "party", "party"), ("", "日", "日")]


def sentence(rng):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))
    return rng.choice([text, text, text, text + "\nsecond line\r\nthird", "> " + text, text + "\x07"])


def stamp(ms, zone):
    at = datetime.fromtimestamp(ms // 1000, timezone(timedelta(hours=zone)))
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{ms % 1000:03}".rstrip("0") if ms % 1000 else "") + (f"+{zone:02}:00")


# --- make ----------------------------------------------------------------------------------------------------------------------------


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.zone = self.rng.choice([0, 0, 1, 9])
        self.number = 0
        self.people = [
            {"id": str(5000 + n), "name": f"login{n}", "discriminator": "0000" if n % 3 else f"{n:04}", "nickname": f"Person {n} Ü" if n % 4 else None, "isBot": False, "roles": []} for n in range(24)
        ]
        self.bots = [{"id": str(6000 + n), "name": f"Bot {n}", "discriminator": "0000", "nickname": f"Bot {n}", "isBot": True, "roles": []} for n in range(3)]

    def id(self, at):
        self.number += 1
        return str((at - EPOCH) << 22 | self.number)

    def person(self, one, face=None):
        return {**one, "color": None, "avatarUrl": face or f"https://cdn.discordapp.com/avatars/{one['id']}.png"}

    def message(self, kind, at, author, content, **more):
        return {
            "id": self.id(at), "type": kind, "timestamp": stamp(at, self.zone), "timestampEdited": None, "callEndedTimestamp": None, "isPinned": False,
            "content": content, "author": self.person(author), "attachments": [], "embeds": [], "stickers": [], "reactions": [], "mentions": [], **more,
        }  # fmt: skip

    def one(self, channel, at, members, sent, files, folder):
        rng = self.rng
        kind, author = rng.random(), rng.choice(members)
        mentioned = rng.sample(members, rng.choice([0, 0, 0, 1, 2]))
        content = " ".join([sentence(rng)] + [f"@{one['nickname'] or one['name']}" for one in mentioned])
        if kind < 0.05:
            other = rng.choice(members)
            moved = rng.choice(["RecipientAdd", "RecipientRemove"])
            return self.message(moved, at, author, f"Did {moved}.", mentions=[self.person(other)] if rng.random() < 0.9 else [])
        if kind < 0.08:
            return self.message("GuildMemberJoin", at, author, "Joined the server.")
        if kind < 0.11:
            word = rng.choice(list(SYSTEM))
            return self.message(word, at, author, SYSTEM[word], reference={"messageId": None, "channelId": "1", "guildId": "1"})
        if kind < 0.14 and sent:
            return self.message("ChannelPinnedMessage", at, author, "Pinned a message.", reference={"messageId": rng.choice(sent)["id"], "channelId": channel["id"], "guildId": "1"})
        if kind < 0.24:
            bot = rng.choice(self.bots)
            message = self.message(rng.choice(["Default", "20"]), at, bot, rng.choice(["", "Alert"]))
            message["embeds"] = [{
                "title": "Deal 7", "url": rng.choice([None, "https://deals/7"]), "timestamp": None, "description": sentence(rng), "author": {"name": "Desk", "url": None},
                "footer": {"text": "end"}, "images": [], "fields": [{"name": "Size", "value": "5m", "isInline": True}], "inlineEmojis": [],
            }]  # fmt: skip
            if message["type"] == "20":
                message["interaction"] = {"id": "1", "name": "price", "user": self.person(author)}
            return message
        message = self.message("Default", at, author, content, mentions=[self.person(one) for one in mentioned])
        if kind < 0.4 and sent:
            message["type"] = "Reply"
            message["reference"] = {"messageId": rng.choice(sent)["id"], "channelId": channel["id"], "guildId": "1"}
        elif kind < 0.46:
            message["timestampEdited"] = stamp(at + rng.randint(1, 10_000_000), self.zone)
        elif kind < 0.49:
            message.update(content="", reference={"type": "Forward", "messageId": "5", "channelId": "6", "guildId": "7"})
            message["forwardedMessage"] = {"timestamp": stamp(START, 0), "timestampEdited": None, "content": sentence(rng), "attachments": [], "embeds": [], "stickers": []}
        elif kind < 0.52:
            message["embeds"] = [{"title": "A page", "url": "https://page", "description": "of today", "images": [], "fields": [], "thumbnail": {"url": "https://page/t.png"}}]
        elif kind < 0.55:
            message["stickers"] = [{"id": "9", "name": "wave", "format": "Png", "sourceUrl": "https://cdn.discordapp.com/stickers/9.png"}]
        elif kind < 0.57:
            message["poll"] = {"question": "When?", "expiresAt": None, "allowsMultipleAnswers": False, "answers": [{"id": 1, "text": "now"}, {"id": 2, "text": "later"}]}
        elif kind < 0.65:
            for _ in range(rng.randint(1, 3)):
                name = rng.choice(["report.pdf", "größe 🎉.png", "a b;c.csv", "noend"])
                inside = f"{folder}/{rng.getrandbits(40):x}-{name}"
                url = rng.choice(["https://cdn.discordapp.com/attachments/1/2/x.pdf?ex=1&hm=2", "/".join(inside.split("/")[-2:])])  # from the export's own folder
                if "://" not in url and rng.random() < 0.9:
                    files[inside] = rng.randbytes(rng.choice([0, 1, 1000, 30_000]))
                if rng.random() < 0.3:
                    url = url if "://" in url else url.replace("/", "\\")
                message["attachments"].append({"id": self.id(at), "url": url, "fileName": name, "fileSizeBytes": 5})
        if rng.random() < 0.2:
            for emoji in rng.sample(EMOJI, rng.randint(1, 2)):
                users = rng.sample(members + self.bots, min(rng.randint(0, 4), len(members)))
                limited = [{key: value for key, value in self.person(user).items() if key not in ("roles", "color")} for user in users]
                message["reactions"].append({"emoji": dict(zip(("id", "name", "code"), emoji), isAnimated=False, imageUrl="https://x"), "count": max(len(users), 1), "users": limited})
        return message


def make(path, seed):
    """Writes a ZIP; where the name ends in .json one channel alone, without files."""
    maker = Maker(seed)
    rng, files, exports = maker.rng, {}, []
    alone = str(path).endswith(".json")
    for number in range(1 if alone else 12):
        kind = KINDS[number % len(KINDS)]
        direct = kind.startswith("Direct")
        channel = {"id": str(100 + number), "type": kind, "categoryId": "90", "category": "Trading" if not direct else "Private", "name": f"room-{number} 🌋", "topic": "rates" if number % 2 else None}
        members = rng.sample(maker.people, 2 if kind == "DirectTextChat" else rng.randint(3, 15))
        folder = rng.choice(["", "deep/"])
        name = f"{folder}Corp - Trading - room-{number} [{channel['id']}]"
        messages, sent, at = [], [], START + number
        for _ in range(rng.randint(0, 80)):
            at += rng.choice([0, 0, 1, 500, 60_000, 3_600_000])
            message = maker.one(channel, at, members, sent, files, f"{name}.json_Files")
            messages.append(message)
            if message["type"] in ("Default", "Reply"):
                sent.append(message)
        if rng.random() < 0.2:
            messages.reverse()
        parts = [messages]
        if not alone and len(messages) > 10 and rng.random() < 0.3:
            half = len(messages) // 2
            parts = [messages[:half], messages[half - 2 :]]  # two stand in both
        for part, some in enumerate(parts):
            guild = {"id": "0" if direct else "1", "name": "Direct Messages" if direct else "Corp", "iconUrl": "https://cdn/x.png"}
            export = {"guild": guild, "channel": channel, "dateRange": {"after": None, "before": None}, "exportedAt": "2026-02-01T00:00:00+00:00", "messages": some, "messageCount": len(some)}
            exports.append((name + (f" [part {part + 1}]" if part else "") + ".json", json.dumps(export, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2]))))
    if alone:
        with open(path, "w", encoding="utf-8") as file:
            file.write(exports[0][1])
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*exports, *files.items()]:
            archive.writestr(name, content)


# --- read ----------------------------------------------------------------------------------------------------------------------------


def plain(text):
    text = re.sub(r"\r\n?|\x85", "\n", text)
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", lambda match: chr(0x2400 + ord(match[0])), text).replace("\x7f", "\u2421")
    return re.sub(r"[\x80-\x9f]", "\ufffd", text)


def exports_of(path):
    if not zipfile.is_zipfile(path):
        return [json.load(open(path, encoding="utf-8"))]
    archive = zipfile.ZipFile(path)
    names = sorted(name for name in archive.namelist() if name.endswith(".json") and "_Files/" not in name)
    return [json.loads(archive.read(name)) for name in names]


def read(path):
    work, seen = Workspace(), set()
    for export in exports_of(path):
        channel = export["channel"]
        kind = {"DirectTextChat": "direct", "DirectGroupTextChat": "group"}.get(channel["type"], "channel")
        labels = {}
        if kind == "channel":
            labels["server"] = export["guild"]["name"]
            labels["parent" if channel["type"].endswith("Thread") else "category"] = channel["category"]
        if channel["type"].endswith("Thread"):
            labels["thread"] = "true"
        if channel["type"] == "GuildPrivateThread":
            labels["private"] = "true"
        work.chats[channel["id"]] = Chat(channel["id"], kind, None if kind == "direct" else channel["name"], labels, [])
        for message in export["messages"]:
            if (channel["id"], message["id"]) not in seen:
                seen.add((channel["id"], message["id"]))
                one_of(work, channel["id"], message)
    return work


def text_of(message):
    parts = []
    if "interaction" in message:
        user = message["interaction"]["user"]
        parts.append(f"@{user['nickname'] or user['name']} used /{message['interaction']['name']}")
    parts.append(message["content"])
    for embed in message["embeds"]:
        url = f" ({embed['url']})" if embed["url"] else ""
        parts += [embed.get("author", {}).get("name", ""), f"{embed['title']}{url}", embed["description"]]
        parts += [f"{field['name']}: {field['value']}" for field in embed["fields"]] + [embed.get("footer", {}).get("text", "")]
    parts += [f"[sticker: {sticker['name']}]" for sticker in message["stickers"]]
    if "forwardedMessage" in message:
        parts += ["Forwarded message:", message["forwardedMessage"]["content"]]
    if "poll" in message:
        parts += [f"Poll: {message['poll']['question']}"] + [f"- {answer['text']}" for answer in message["poll"]["answers"]]
    return plain("\n".join(part for part in parts if part))


def one_of(work, chat, message):
    kind, own, at, author, mentions = message["type"], message["id"], millis(message["timestamp"]), message["author"], message["mentions"]
    people = [author["id"]] + [user["id"] for reaction in message["reactions"] for user in reaction["users"]]
    if "interaction" in message:
        people.append(message["interaction"]["user"]["id"])
    if kind in ("RecipientAdd", "RecipientRemove") and mentions:
        people.append(mentions[0]["id"])
        work.entries.append(Event(chat, "join" if kind == "RecipientAdd" else "leave", own, mentions[0]["id"], at, None, None))
    elif kind == "GuildMemberJoin":
        work.entries.append(Event(chat, "join", own, author["id"], at, None, None))
    elif kind in ("Default", "Reply", "20"):
        text = text_of(message)
        work.entries.append(Event(chat, "message", own, author["id"], at, text, None))
        if message["timestampEdited"]:
            work.entries.append(Event(chat, "edit", own, author["id"], millis(message["timestampEdited"]), text, own))
    else:
        target = message["reference"]["messageId"] if kind == "ChannelPinnedMessage" else None
        work.entries.append(Event(chat, "other", own, author["id"], at, text_of(message), target))
    for reaction in message["reactions"]:
        for user in reaction["users"]:
            name = reaction["emoji"]["name"]
            work.reactions.append(Event(chat, "reaction", f"{own} {name}", user["id"], at, name, own))
    for person in people:
        work.users[person] = User(person, None, True, False)


def own(event):
    """What stands for the id of an event of consign.json."""
    return own_of_target(event) or event["id"]
