"""Mattermost's bulk export: random ones, and what must come of one.

The export has no ids. A message's is `message:<user>:<time>`, with a number before the time where others of the chat are equal in both and stand before it
in the file; a channel's is `team/channel`, a direct chat's `direct:` with its members. In `Event.own`: that id, of an edit or deletion the message's, of a
reaction the message's and its name, of a join or leave nothing."""

import json
import random
import re
import zipfile
from collections import Counter
from datetime import datetime, timezone

from expected import Chat, Event, User, Workspace, own_of_target

START = 1767600000000
WORDS = "the rate desk fixing libor quote **swap** please _confirm_ client spread `code` naïve Größe 日本 🎉 <b> & \"ok\" tomorrow 'legal' @all ~town-square :tada:".split()
SYSTEM = ["system_header_change", "system_displayname_change", "system_purpose_change", "system_channel_deleted", "system_change_chan_privacy"]
FILES = ["report.pdf", "größe 🎉.png", "a b;c.csv", "日本.docx", "noend", "X.JPG"]


def sentence(rng):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))
    return rng.choice([text, text, text, text + "\nsecond line\r\nthird", "> " + text, text + "\x07"])


# --- make ----------------------------------------------------------------------------------------------------------------------------


def people(rng):
    users = [f"user{number}" for number in range(22)] + ["guest.one", "ann-lee", "dan:partner", "bob_2"]
    lines = []
    for number, name in enumerate(users):
        roles = "system_guest" if name.startswith("guest") or number % 9 == 8 else "system_user"
        lines.append({
            "username": name, "email": "" if number % 5 == 4 else f"{name.replace(':', '.')}@desk.example", "auth_service": None, "nickname": f"Nick {number}" if number % 3 else "",
            "first_name": f"First{number}" if number % 2 else "", "last_name": "Größe" if number % 2 else "", "position": "Trader", "roles": roles, "locale": "en",
            "delete_at": START if number == 7 else 0, "teams": [],
        })  # fmt: skip
    return lines


def one_post(rng, users, at, deep=True):
    post = {"user": rng.choice(users), "type": "", "message": sentence(rng), "props": {}, "create_at": at, "edit_at": 0}
    kind = rng.random()
    if kind < 0.1:
        post["edit_at"] = at + rng.randint(1, 10_000_000)
    elif kind < 0.13:
        post["delete_at"] = at + rng.randint(1, 10_000_000)
        post["message"] = rng.choice([post["message"], ""])
    elif kind < 0.18:
        post["props"] = {"from_webhook": "true", "override_username": rng.choice(["Fixing Bot", "Bot\r\nX-Evil: 1", ""])}
    elif kind < 0.22:
        post.update(type="slack_attachment", message=rng.choice(["", "Alert"]))
        post["props"] = {"from_bot": "true", "attachments": [{"fallback": "no", "title": "Deal 7", "title_link": "https://deals/7", "text": sentence(rng), "fields": [{"title": "Size", "value": 5, "short": True}]}]}
    elif kind < 0.25:
        post.update(user="ci", message="build 7 failed")
    elif kind < 0.27:
        post["type"] = rng.choice(["me", "custom_calls", "system_auto_responder"])
    if rng.random() < 0.2:
        post["reactions"] = [
            {"user": who, "create_at": at + rng.randint(1, 5000), "emoji_name": rng.choice(["thumbsup", "+1", "eyes", "日本"])} for who in rng.sample(users, rng.randint(1, 3))
        ]
    if rng.random() < 0.12:
        post["attachments"] = [{"path": f"20260105/teams/noteam/channels/c/users/u/{rng.getrandbits(60):x}/{rng.choice(FILES)}"} for _ in range(rng.randint(1, 3))]
    if deep and rng.random() < 0.25:
        post["replies"] = [one_post(rng, users, at + rng.choice([0, 1, 500, 90_000]), deep=False) for _ in range(rng.randint(1, 6))]
    return post


def system_post(rng, users, at):
    user, other = rng.sample(users, 2)
    kind = rng.choice(["system_join_channel", "system_leave_channel", "system_add_to_channel", "system_remove_from_channel", "system_join_team", "system_leave_team"] + SYSTEM)
    props = {"username": user}
    if kind == "system_add_to_channel":
        props = {"userId": "x", "username": user, "addedUserId": "y", "addedUsername": other}
    elif kind == "system_remove_from_channel":
        props = {"removedUserId": "y", "removedUsername": other}
    return {"user": user, "type": kind, "message": f"{user} did {kind}.", "props": props, "create_at": at, "edit_at": 0}


def make(path, seed):
    """Writes a ZIP as `mmctl export create` does; where the name ends in .jsonl the lines alone."""
    rng = random.Random(seed)
    users = people(rng)
    names = [user["username"] for user in users]
    lines = [{"type": "version", "version": 1, "info": {"generator": "mattermost-server", "version": "9.11.0", "created": "2026-01-05T08:00:00Z"}}]
    teams = ["corp", "ops-team"]
    lines += [{"type": "team", "team": {"name": team, "display_name": team.title(), "type": "O"}} for team in teams]
    channels = []
    for team in teams:
        for number in range(rng.randint(3, 6)):
            channel = {"team": team, "name": f"room-{number}", "display_name": f"Room {number} 🌋", "type": rng.choice("OOP"), "header": "", "purpose": ""}
            if rng.random() < 0.2:
                channel["deleted_at"] = START
            channels.append(channel)
            lines.append({"type": "channel", "channel": channel})
    for user in users:
        for team in teams:
            own = [channel for channel in channels if channel["team"] == team and rng.random() < 0.5]
            user["teams"].append({"name": team, "roles": "team_user", "channels": [{"name": channel["name"], "roles": "channel_user"} for channel in own]})
    lines += [{"type": "user", "user": user} for user in users]
    lines.append({"type": "bot", "bot": {"username": "ci", "owner": names[0], "display_name": "CI Bot"}})
    lines.append({"type": "emoji", "emoji": {"name": "party", "image": "emoji/x/image"}})
    posts = []
    for channel in channels:
        at = START
        for _ in range(rng.randint(0, 60)):
            at += rng.choice([0, 0, 1, 500, 60_000, 3_600_000])
            post = system_post(rng, names, at) if rng.random() < 0.2 else one_post(rng, names, at)
            posts.append({"type": "post", "post": {"team": channel["team"], "channel": channel["name"], **post}})
    rng.shuffle(posts)  # the platform orders by ids that are random
    direct, direct_posts = [], []
    for size in [1, 2, 2, 2, 3, 5]:
        members = rng.sample(names, size) * (2 if size == 1 else 1)
        if rng.random() < 0.8:
            direct.append({"type": "direct_channel", "direct_channel": {"members": members, "header": ""}})
        at = START
        for _ in range(rng.randint(0, 40)):
            at += rng.choice([0, 1, 60_000])
            post = one_post(rng, members, at) if len(set(members)) > 2 else one_post(rng, sorted(set(members)) * 4, at)
            direct_posts.append({"type": "direct_post", "direct_post": {"channel_members": rng.sample(members, len(members)), **post}})
    rng.shuffle(direct_posts)
    seen = set()
    lines += posts + [one for one in direct if direct_id(one["direct_channel"]["members"]) not in seen and not seen.add(direct_id(one["direct_channel"]["members"]))] + direct_posts
    text = "".join(json.dumps(line, ensure_ascii=rng.random() < 0.5) + "\n" for line in lines)
    if str(path).endswith(".jsonl"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("import.jsonl", text)
        for name in sorted(set(re.findall(r"20260105/teams/[^\"]*", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)))):
            if rng.random() < 0.8:
                archive.writestr(f"data/{name}", rng.randbytes(rng.choice([0, 1, 1000, 30_000])), zipfile.ZIP_STORED)


# --- read ----------------------------------------------------------------------------------------------------------------------------


def stamp(ms):
    at = datetime.fromtimestamp(ms // 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def plain(text):
    text = re.sub(r"\r\n?|\x85", "\n", text)
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", lambda match: chr(0x2400 + ord(match[0])), text).replace("\x7f", "\u2421")
    return re.sub(r"[\x80-\x9f]", "\ufffd", text)


def direct_id(members):
    return "direct:" + ",".join(sorted(set(members)))


def lines_of(path):
    if zipfile.is_zipfile(path):
        text = zipfile.ZipFile(path).read("import.jsonl").decode()
    else:
        text = open(path, encoding="utf-8", newline="").read()
    return [json.loads(line) for line in text.split("\n") if line]


def read(path):
    work, counts = Workspace(), Counter()
    lines = lines_of(path)
    members = {}
    for line in lines:
        if line["type"] == "user":
            user = line["user"]
            external = "system_guest" in user["roles"].split() or ":" in user["username"]
            work.users[user["username"]] = User(user["username"], user["email"] or None, True, external)
            for team in user["teams"]:
                for channel in team["channels"]:
                    members.setdefault(f"{team['name']}/{channel['name']}", []).append(user["username"])
        elif line["type"] == "bot":
            work.users[line["bot"]["username"]] = User(line["bot"]["username"], None, True, False)
    for line in lines:
        if line["type"] == "channel":
            channel = line["channel"]
            labels = {"team": channel["team"]}
            if channel["type"] == "P":
                labels["private"] = "true"
            if channel.get("deleted_at"):
                labels["archived"] = "true"
            name = f"{channel['team']}/{channel['name']}"
            work.chats[name] = Chat(name, "channel", channel["display_name"], labels, members.get(name, []))
        elif line["type"] in ("direct_channel", "direct_post"):
            of = line["direct_channel"]["members"] if line["type"] == "direct_channel" else line["direct_post"]["channel_members"]
            own = sorted(set(of))
            work.chats.setdefault(direct_id(of), Chat(direct_id(of), "group" if len(own) > 2 else "direct", None, {}, own))
    for line in lines:
        if line["type"] == "post":
            post = line["post"]
            one_of(work, counts, f"{post['team']}/{post['channel']}", post)
        elif line["type"] == "direct_post":
            one_of(work, counts, direct_id(line["direct_post"]["channel_members"]), line["direct_post"])
    # A deactivated user is still listed, and reads nothing more.
    for user in (line["user"] for line in lines if line["type"] == "user" and line["user"]["delete_at"]):
        for chat in (chat.id for chat in work.chats.values() if user["username"] in chat.members):
            leave = Event(chat, "leave", "", user["username"], user["delete_at"], None, None)
            work.entries += [leave] if leave not in work.entries else []
    return work


def one_of(work, counts, chat, post):
    kind, user, at = post["type"], post["user"], post["create_at"]
    same = kind if kind.startswith("system_") and kind != "system_auto_responder" else "message"
    counts[chat, same, user, at] += 1
    number = counts[chat, same, user, at]
    number = f"{number}:" if number > 1 else ""
    props = post["props"]
    moves = {
        "system_join_channel": ("join", user), "system_join_team": ("join", user), "system_leave_channel": ("leave", user), "system_leave_team": ("leave", user),
        "system_add_to_channel": ("join", props.get("addedUsername")), "system_remove_from_channel": ("leave", props.get("removedUsername")),
    }  # fmt: skip
    if kind in moves:
        move, who = moves[kind]
        moved = Event(chat, move, "", who, at, None, None)
        work.entries += [moved] if moved not in work.entries else []  # added by two in the same millisecond, somebody has joined once
        return
    if kind.startswith("system_") and kind != "system_auto_responder":
        work.entries.append(Event(chat, "other", f"other:{kind}:{user}:{number}{stamp(at)}", user, at, plain(post["message"]), None))
        return
    own = f"message:{user}:{number}{stamp(at)}"
    text = post["message"]
    for attachment in props.get("attachments", []):
        parts = [text, f"{attachment['title']} ({attachment['title_link']})", attachment["text"]]
        text = "\n".join([part for part in parts if part] + [f"{field['title']}: {field['value']}" for field in attachment["fields"]])
    text = plain(text)
    work.entries.append(Event(chat, "message", own, user, at, text, None))
    if post.get("edit_at"):
        work.entries.append(Event(chat, "edit", own, user, post["edit_at"], text, own))
    if post.get("delete_at"):
        work.entries.append(Event(chat, "delete", own, None, post["delete_at"], None, own, text or None))
    for reaction in post.get("reactions", []):
        name = reaction["emoji_name"]
        work.reactions.append(Event(chat, "reaction", f"{own} {name}", reaction["user"], reaction["create_at"], name, own))
    for reply in post.get("replies", []):
        one_of(work, counts, chat, reply)


def own(event):
    """What stands for the id of an event of consign.json."""
    return own_of_target(event) or ("" if event["type"] in ("join", "leave") else event["id"])
