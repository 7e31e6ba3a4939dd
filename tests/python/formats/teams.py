"""Exports of Microsoft Teams: random ones, as tools write them that ask Microsoft Graph user by user, and what must come out of them. Shares nothing with
Consign's code.

`make(path, seed)` writes a ZIP where the path ends so, else a folder. `read(path)` takes either, or one file.
"""

import html
import json
import pathlib
import random
import re
import uuid
import zipfile
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

from expected import Chat, Event, User, Workspace, key, millis, write_files

GRAPH = "https://graph.microsoft.com/v1.0"
OTHER_TENANT = "9d3a8c4e-0000-4000-8000-00000000beef"
HOME = "2432b57b-0abd-43db-aa7b-16eadd115d34"
TYPES = {"membersAdded": "join", "membersJoined": "join", "membersDeleted": "leave", "membersLeft": "leave"}
OUTSIDE = ("anonymousGuest", "federatedUser", "personalMicrosoftAccountUser", "skypeUser", "phoneUser", "emailUser", "azureCommunicationServicesUser")
WORDS = 'sold bought 5m EURUSD fixing LIBOR hedge «quote» naïve 日本 🎉 it\'s "done" R&D a<b 50% back\\slash tab\there'.split(" ")


# --- Making one ----------------------------------------------------------------------------------------------------------------------


class Maker:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.files = {}
        self.attached = {}
        self.users = [self.user(number) for number in range(24)]
        self.staff = [user for user in self.users if user["userType"] == "Member"]
        self.captured = self.staff[:5]
        self.outside = {"id": self.guid(), "displayName": "Fed Erated", "userIdentityType": "federatedUser", "tenantId": OTHER_TENANT}
        self.cousin = {"id": self.guid(), "displayName": "Cousin Other", "userIdentityType": "aadUser", "tenantId": OTHER_TENANT}
        self.visitor = {"id": "8:teamsvisitor:" + self.guid()[:8], "displayName": "Walk-in", "userIdentityType": "anonymousGuest", "tenantId": None}
        self.bot = {"id": self.guid(), "displayName": "Fixing <Bot>", "applicationIdentityType": "bot"}
        self.chats, self.teams, self.channels = [], [], []

    def guid(self):
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def user(self, number):
        names = ["Ann Lee", "Bob O'Hara", "田中 花子", "Zoë Müller", 'Dan "D" Ray', "Eve\tTab"]
        name = f"{names[number % 6]} {number}"
        guest = number % 11 == 10
        mail = None if number % 6 == 5 or guest else f"user{number}@desk.example"
        sign_in = f"user{number}_other.example#EXT#@desk.example" if guest else (mail or f"user{number}")
        return {
            "id": self.guid(), "displayName": name, "mail": mail, "userPrincipalName": sign_in, "userType": "Guest" if guest else "Member",
            "department": self.dice.choice(["FX", "Rates", None]), "jobTitle": self.dice.choice(["Trader", None]),
        }  # fmt: skip

    def words(self, least=1):
        return " ".join(self.dice.choice(WORDS) for _ in range(self.dice.randint(least, 8)))

    def time(self, moment):
        style = self.dice.choice(["Z", ".5Z", "ms", "seven"])
        base = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return {
            "Z": base + "Z",
            ".5Z": base + ".5Z",
            "ms": f"{base}.{moment.microsecond // 1000:03}Z",
            "seven": f"{base}.{moment.microsecond // 1000:03}4567Z",
        }[style]

    def rooms(self):
        for number in range(3):
            two = [self.captured[number], self.users[-number - 1]]
            self.chats.append(
                {"id": f"19:{two[0]['id']}_{two[1]['id']}@unq.gbl.spaces", "kind": "oneOnOne", "topic": None, "people": two, "listed": number != 1}
            )
        for number in range(3):
            people = self.dice.sample(self.staff, 6) + [self.captured[0], self.captured[number], self.captured[3 + number % 2]]
            kind = "meeting" if number == 2 else "group"
            name = "19:meeting_" if kind == "meeting" else "19:"
            self.chats.append(
                {
                    "id": f"{name}{self.dice.getrandbits(64):x}@thread.v2",
                    "kind": kind,
                    "topic": self.dice.choice(['Deal "X"', None]),
                    "people": people,
                    "listed": number != 1,
                }
            )
        for number in range(2):
            team = {"id": self.guid(), "displayName": f"Team {number} & Co"}
            self.teams.append(team)
            for membership in ("standard", "private") if number == 0 else ("shared",):
                channel = {"id": f"19:{self.dice.getrandbits(64):x}@thread.tacv2", "displayName": f"#{membership}-{number}", "membershipType": membership}
                self.channels.append((team, channel, self.dice.sample(self.staff, 8) + [self.captured[1]]))

    def identity(self, user):
        if "userIdentityType" in user:
            return {"application": None, "device": None, "user": dict(user)}
        kind = {"displayName": user["displayName"], "id": user["id"], "userIdentityType": "aadUser", "tenantId": HOME}
        return {"application": None, "device": None, "user": kind}

    def message(self, number, moment, people, place, roots):
        dice = self.dice
        sender = dice.choice(people)
        message = {
            "id": str(int(moment.timestamp() * 1000) + number), "replyToId": None, "etag": "1", "messageType": "message", "createdDateTime": self.time(moment),
            "lastModifiedDateTime": self.time(moment), "lastEditedDateTime": None, "deletedDateTime": None, "subject": None, "summary": None,
            "chatId": place.get("chatId"), "importance": "normal", "locale": "en-us", "webUrl": None, "channelIdentity": place.get("channelIdentity"),
            "policyViolation": None, "eventDetail": None, "from": self.identity(sender),
            "body": {"contentType": "text", "content": self.words()}, "attachments": [], "mentions": [], "reactions": [],
        }  # fmt: skip
        who = dice.random()
        if who < 0.08:
            message["from"] = {"application": dict(self.bot), "device": None, "user": None}
        elif who < 0.12:
            message["from"] = self.identity(dice.choice([self.outside, self.cousin, self.visitor]))
        elif who < 0.14:
            message["from"] = None
        elif who < 0.16:
            message["from"] = {"user": {"id": None, "displayName": "mail@other.example", "userIdentityType": "emailUser"}}
        if place.get("channelIdentity"):
            message["subject"] = dice.choice([None, None, "Subject: " + self.words()])
            if roots and dice.random() < 0.4:
                message["replyToId"] = dice.choice(roots)
            else:
                roots.append(message["id"])
        self.fill(message, people)
        later = lambda: self.time(moment + timedelta(seconds=dice.randint(1, 5000), milliseconds=dice.randint(0, 999)))
        fate = dice.random()
        if fate < 0.12:
            message["lastEditedDateTime"] = later()
        if 0.08 < fate < 0.2:
            message["deletedDateTime"] = later()
            if dice.random() < 0.5:
                message["body"] = {"contentType": "html", "content": ""}
                message["attachments"], message["mentions"], message["subject"] = [], [], None
        for _ in range(dice.choice([0, 0, 0, 1, 3])):
            user, kind = dice.choice(people), dice.choice(["like", "heart", "😆", "custom"])
            reaction = {
                "reactionType": kind,
                "displayName": "party-parrot" if kind == "custom" else "J'aime",
                "createdDateTime": later(),
                "user": self.identity(user),
            }
            message["reactions"].append(reaction)
        history = [
            {"modifiedDateTime": reaction["createdDateTime"], "actions": "reactionAdded", "reaction": reaction}
            for reaction in message["reactions"]
            if dice.random() < 0.5
        ]
        if message["reactions"] and dice.random() < 0.4:
            taken = message["reactions"].pop()
            history.append({"modifiedDateTime": later(), "actions": "reactionRemoved", "reaction": taken})
        if history:
            message["messageHistory"] = history
        if dice.random() < 0.03:
            message["policyViolation"] = {
                "dlpAction": "notifySender",
                "justificationText": "needed " + self.words(),
                "userAction": "none",
                "policyTip": {"generalText": "No card numbers", "matchedConditionDescriptions": ["Card"]},
            }
        return message

    def fill(self, message, people):
        dice = self.dice
        plain = html.escape(self.words())
        kind = dice.randrange(16)
        body = None
        if kind == 1:
            body = f"<p>{plain}</p>\n<p>&nbsp;</p>\n<p><strong>{html.escape(self.words())}</strong>&nbsp;x<br>{plain}</p>"
        elif kind == 2:
            body = f"<div><div>{plain}</div>\n<div><em>{plain}</em></div></div>"
        elif kind == 3:
            first, last = dice.choice(people)["displayName"].split(None, 1)
            body = f'<div>ask <at id="0">{html.escape(first)}</at>&nbsp;<at id="1">{html.escape(last)}</at> &amp; <at id="2">desk</at></div>'
            user = dice.choice(people)
            message["mentions"] = [{"id": number, "mentionText": "x", "mentioned": {"user": {"id": user["id"], "displayName": first}}} for number in (0, 1)]
            message["mentions"].append(
                {"id": 2, "mentionText": "desk", "mentioned": {"conversation": {"id": "19:c", "displayName": "desk", "conversationIdentityType": "channel"}}}
            )
        elif kind == 4:
            body = '<p>see <a href="https://a.example/?q=1&amp;r=2" title="t">the book</a> or <a href="https://b.example/">https://b.example/</a></p>'
        elif kind == 5:
            body = f"<p>{plain}</p><ul><li>one</li><li>{plain}</li></ul><ol><li>a</li><li>b</li></ol><p>end</p>"
        elif kind == 6:
            body = '<p>ok <emoji id="smile" alt="🙂" title="Smile"></emoji> &eacute;&#8364;&#x1F600;</p>'
        elif kind == 7:
            hosted = "aWQ9" + "".join(dice.choice("ABCdef012_-") for _ in range(24))
            body = f'<div>chart <img alt="chart" src="{GRAPH}/chats/{{way}}/messages/{message["id"]}/hostedContents/{hosted}/$value" style="width:9px"></div>'
            self.bytes_of(f"hostedContents/{hosted}.png")
        elif kind in (8, 9):
            guid = self.guid()
            name = dice.choice(["q3.pdf", "Plan – final.xlsx", "a b.csv"])
            body = f'<p>{plain}</p><attachment id="{guid}"></attachment>'
            message["attachments"].append(
                {"id": guid, "contentType": "reference", "contentUrl": f"https://desk.sharepoint.example/sites/x/{name}?web=1", "content": None, "name": name}
            )
            self.bytes_of(f"attachments/{guid}-{name}")
        elif kind == 10:
            guid = str(1_600_000_000_000 + dice.randrange(10**9))
            sender = dice.choice(people)
            quote = {
                "messageId": guid,
                "messagePreview": self.words() + "\nnext",
                "messageSender": {"application": None, "user": {"id": sender["id"], "displayName": sender["displayName"]}},
            }
            body = f'<attachment id="{guid}"></attachment><p>{plain}</p>'
            message["attachments"].append({"id": guid, "contentType": "messageReference", "contentUrl": None, "content": json.dumps(quote), "name": None})
        elif kind == 11:
            card = {
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": [{"type": "TextBlock", "text": self.words()}, {"type": "FactSet", "facts": [{"title": "Rate", "value": "1.93"}]}],
                "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://x"}],
            }
            body = '<attachment id="c1"></attachment>'
            message["attachments"].append(
                {"id": "c1", "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": json.dumps(card), "name": None}
            )
        elif kind == 12:
            card = {"title": "Alert", "text": "VaR <b>above</b> limit", "buttons": []}
            body = ""
            message["attachments"].append({"id": "c2", "contentType": "application/vnd.microsoft.card.thumbnail", "content": json.dumps(card)})
        elif kind == 13:
            body = f"<blockquote><p>{plain}</p></blockquote><table><tbody><tr><td>a</td><td>b</td></tr></tbody></table><pre>x  y</pre>"
        elif kind == 14:
            body = f"<p>5 < 6 <ann@desk.example> &unknown; {plain}</p>"
        if body is not None:
            message["body"] = {"contentType": "html", "content": body}

    def bytes_of(self, path):
        if self.dice.random() < 0.6:
            self.attached[path] = self.dice.randbytes(self.dice.randint(1, 400))

    def notice(self, number, moment, people, place):
        dice = self.dice
        kind = dice.choice(
            ["membersAdded", "membersAdded", "membersJoined", "membersDeleted", "membersLeft", "chatRenamed", "callEnded", "teamsAppInstalled", "neverHeardOf"]
        )
        by = dice.choice(people)
        detail = {"@odata.type": f"#microsoft.graph.{kind}EventMessageDetail", "initiator": self.identity(by)}
        if kind.startswith("members"):
            few = dice.sample(people, min(len(people), dice.choice([1, 1, 2])))
            detail["members"] = [{"id": user["id"], "displayName": None, "userIdentityType": "aadUser"} for user in few]
            detail["visibleHistoryStartDateTime"] = "0001-01-01T00:00:00Z"
        elif kind == "chatRenamed":
            detail |= {"chatId": "x", "chatDisplayName": self.words()}
        elif kind == "callEnded":
            detail |= {
                "callDuration": "PT1M",
                "callEventType": "call",
                "callParticipants": [{"participant": {"user": {"id": by["id"], "displayName": by["displayName"]}}}],
            }
        return {
            "id": str(int(moment.timestamp() * 1000) + number), "messageType": dice.choice(["systemEventMessage", "unknownFutureValue"]), "createdDateTime": self.time(moment),
            "chatId": place.get("chatId"), "channelIdentity": place.get("channelIdentity"), "from": None, "deletedDateTime": None,
            "body": {"contentType": "html", "content": "<systemEventMessage/>"}, "attachments": [], "mentions": [], "reactions": [], "eventDetail": detail,
        }  # fmt: skip

    def talk(self, people, place):
        moment = datetime(2026, 1, 5, 8, 0, tzinfo=timezone.utc) + timedelta(minutes=self.dice.randint(0, 600))
        messages, roots = [], []
        for number in range(self.dice.randint(25, 60)):
            if self.dice.random() > 0.3:  # else at the very same time
                moment += timedelta(milliseconds=self.dice.randint(1, 900_000))
            make = self.notice if self.dice.random() < 0.15 else None
            messages.append(make(number, moment, people, place) if make else self.message(number, moment, people, place, roots))
        return messages

    def copy(self, message, user):
        """As one user's query answers: another way to pictures, and reactions as at its time."""
        text = json.dumps(message, ensure_ascii=False).replace(
            "chats/{way}/", f"{'users/' + user['id'] + '/' if user else ''}chats/{message.get('chatId') or 'c'}/"
        )
        mine = json.loads(text)
        mine["etag"] = str(self.dice.randrange(10**6))
        mine["reactions"] = [reaction for reaction in mine.get("reactions", []) if self.dice.random() < 0.8]
        return mine

    def write(self, name, value, indent=None):
        self.files[name] = json.dumps(value, ensure_ascii=self.dice.random() < 0.5, indent=indent).encode()

    def run(self):
        self.rooms()
        dice = self.dice
        self.write("users.json", {"@odata.context": f"{GRAPH}/$metadata#users", "value": self.users}, 1)
        late = lambda: self.time(datetime(2026, 1, 5, 9, tzinfo=timezone.utc)) if dice.random() < 0.15 else "0001-01-01T00:00:00Z"
        member = lambda user: {
            "@odata.type": "#microsoft.graph.aadUserConversationMember", "id": self.guid(), "roles": ["owner"], "displayName": user["displayName"],
            "userId": user["id"], "email": user["mail"], "tenantId": HOME, "visibleHistoryStartDateTime": late(),
        }  # fmt: skip
        members = lambda people: [member(user) for user in {user["id"]: user for user in people}.values()]
        listed = [
            {"id": chat["id"], "topic": chat["topic"], "chatType": chat["kind"], "tenantId": HOME, "members": members(chat["people"])}
            for chat in self.chats
            if chat["listed"]
        ]
        self.write("chats.json", listed, 2)
        self.write("teams.json", {"value": self.teams})
        self.write("channels.json", [channel for _, channel, _ in self.channels])
        said = {chat["id"]: self.talk(chat["people"], {"chatId": chat["id"]}) for chat in self.chats}
        for number, user in enumerate(self.captured):
            seen = [chat for chat in self.chats if user["id"] in [one["id"] for one in chat["people"]]]
            mine = [self.copy(message, user) for chat in seen for message in said[chat["id"]]]
            dice.shuffle(mine)
            if number == 3:
                self.write(f"user-{user['mail'] or user['id']}.json", mine)
            elif number == 4:
                link = f"{GRAPH}/users/{user['id']}/chats/getAllMessages?$skip=9"
                self.files["dump.jsonl"] = b"".join(
                    json.dumps({"@odata.nextLink": link, "value": mine[at : at + 9]}).encode() + b"\n" for at in range(0, max(1, len(mine)), 9)
                )
            elif number == 2:
                self.files[f"{user['id']}/messages.jsonl"] = b"".join(json.dumps(message).encode() + b"\r\n" for message in mine) or b"[]"
            else:
                for page, at in enumerate(range(0, max(1, len(mine)), 7)):
                    answer = {
                        "@odata.context": f"{GRAPH}/$metadata#users('{user['id']}')/chats/getAllMessages"
                        if number
                        else f"{GRAPH}/$metadata#Collection(chatMessage)",
                        "@odata.count": 7,
                    }
                    if number == 0 or at + 7 < len(mine):
                        answer["@odata.nextLink"] = f"{GRAPH}/users('{user['id']}')/chats/getAllMessages?$skip={at + 7}"
                    answer["value"] = mine[at : at + 7]
                    self.write(f"dump/u{number}/page-{page}.json", answer, dice.choice([None, 2]))
        for team, channel, people in self.channels:
            messages = self.talk(people, {"channelIdentity": {"teamId": team["id"], "channelId": channel["id"]}})
            messages = [self.copy(message, None) for message in messages]
            name = f"{team['id']}.json" if channel["membershipType"] == "shared" else f"teams/{channel['membershipType']}.json"
            self.write(name, {"@odata.context": f"{GRAPH}/$metadata#Collection(chatMessage)", "value": messages}, dice.choice([None, 1]))
        self.files.update(self.attached)
        return self.files


def make(path, seed):
    path = pathlib.Path(path)
    write_files(path, Maker(seed).run())


# --- Reading one ---------------------------------------------------------------------------------------------------------------------


def contents(path):
    """Name to bytes."""
    path = pathlib.Path(path)
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    return {path.name: path.read_bytes()}


def documents(data):
    """The JSON texts of a file: one, or one a line."""
    text = data.decode("utf-8-sig")
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def elements(data):
    for document in documents(data):
        if isinstance(document, list):
            yield from ((element, {}) for element in document)
        elif "value" in document:
            yield from ((element, document) for element in document["value"])
        else:
            yield document, {}


class Plain(HTMLParser):
    """Text of simple HTML; `sure` unset where there is more in it than this knows."""

    KNOWN = {"p", "div", "br", "strong", "b", "em", "i", "span", "at", "a", "ul", "ol", "li", "emoji", "attachment", "img"}

    def __init__(self, message):
        super().__init__(convert_charrefs=True)
        self.lines, self.sure = [""], True
        self.mentions = {str(mention["id"]): one["id"] for mention in message.get("mentions", []) for one in mention["mentioned"].values() if one}
        self.quotes = {attachment["id"]: attachment for attachment in message.get("attachments", []) if attachment.get("contentType") == "messageReference"}
        self.lists, self.link, self.mention, self.open = [], None, None, False

    def fresh(self):
        if self.open:
            self.lines.append("")
        self.open = False

    def put(self, text):
        self.lines[-1] += text
        self.open = True

    def handle_starttag(self, tag, pairs):
        get = dict(pairs).get
        self.sure &= tag in self.KNOWN
        if tag in ("p", "div"):
            self.fresh()
        elif tag == "br":
            self.lines.append("")
            self.open = False
        elif tag in ("ul", "ol"):
            self.fresh()
            self.lists.append([tag, 0])
        elif tag == "li":
            self.fresh()
            self.lists[-1][1] += 1
            self.put("- " if self.lists[-1][0] == "ul" else f"{self.lists[-1][1]}. ")
        elif tag == "a":
            self.link = (get("href"), len(self.lines[-1]))
        elif tag == "emoji":
            self.put(get("alt"))
        elif tag == "img":
            self.put(f"[{get('alt') or 'image'}]")
        elif tag == "attachment" and (quote := self.quotes.get(get("id"))):
            said = json.loads(quote["content"])
            self.fresh()
            text = f"{said['messageSender']['user']['displayName'].replace(chr(9), ' ')}: {said['messagePreview']}"
            text = re.sub(r"\n", "\n> ", "> " + text)
            self.lines[-1:] = text.split("\n") + [""]
        elif tag == "at":
            who = self.mentions.get(get("id"))
            goes_on = self.mention and self.mention[0] == who and not self.lines[-1][self.mention[1] :].strip()
            if not goes_on:
                self.put("@")
            self.mention = (who, None)

    def handle_endtag(self, tag):
        if tag in ("p", "div", "ul", "ol", "li"):
            self.fresh()
            if tag in ("ul", "ol"):
                self.lists.pop()
        elif tag == "a":
            target, start = self.link
            if self.lines[-1][start:].strip() != target:
                self.put(f" ({target})")
        elif tag == "at":
            self.mention = (self.mention[0], len(self.lines[-1]))

    def handle_data(self, data):
        data = re.sub(r"[ \t\r\n]+", " ", data)
        if not self.lines[-1] or self.lines[-1].endswith(" "):
            data = data.lstrip(" ")
        if data:
            self.put(data.replace("\xa0", " "))

    def text(self):
        return "\n".join(line.rstrip(" ") for line in self.lines).strip("\n").rstrip()


def text_of(message):
    body = message.get("body") or {}
    content = body.get("content") or ""
    if any("card" in attachment["contentType"] for attachment in message.get("attachments", [])):
        return None
    if body.get("contentType") == "html":
        if "<ann@" in content:
            return None
        parser = Plain(message)
        parser.feed(content)
        parser.close()
        if not parser.sure:
            return None
        content = parser.text()
    return "\n".join(part for part in (message.get("subject"), content) if part)


def iso(at):
    moment = datetime.fromtimestamp(at // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def read(path):
    work, files = Workspace(), contents(path)
    lists = {
        name: [element for element, _ in elements(files[f"{name}.json"])] if f"{name}.json" in files else [] for name in ("users", "chats", "teams", "channels")
    }
    by_address = {}
    for user in lists["users"]:
        sign_in = user.get("userPrincipalName") or ""
        guest = user.get("userType") == "Guest"
        email = user.get("mail") or (sign_in if "@" in sign_in and "#EXT#" not in sign_in else None)
        work.users[user["id"]] = User(user["id"], email, True, guest)
        by_address.update({address.lower(): user["id"] for address in (user.get("mail"), sign_in) if address})
    events = {}

    def add(to, event, copy_of=None):
        if key(event) not in events:
            events[key(event)] = event
            to.append(event)
        if copy_of:
            work.captured.setdefault(copy_of, set()).add(key(event))

    names = {team["id"]: team["displayName"] for team in lists["teams"]}
    kinds = {"oneOnOne": "direct", "group": "group", "meeting": "meeting"}
    for chat in lists["chats"]:
        since = {
            member["userId"]: member["visibleHistoryStartDateTime"]
            for member in chat["members"]
            if not member["visibleHistoryStartDateTime"].startswith("0001")
        }
        always = [member["userId"] for member in chat["members"] if member["userId"] not in since]
        work.chats[chat["id"]] = Chat(chat["id"], kinds[chat["chatType"]], chat["topic"], {}, always)
        for user, at in since.items():
            add(work.entries, Event(chat["id"], "join", "", user, millis(at), None, None))
    for channel in lists["channels"]:
        work.chats[channel["id"]] = Chat(channel["id"], "channel", channel["displayName"], {"membership": channel["membershipType"]}, [])
    for name, data in files.items():
        if not re.search(r"\.(json|jsonl)$", name) or name in ("users.json", "chats.json", "teams.json", "channels.json"):
            continue
        found = list(elements(data))
        teams = {(message.get("channelIdentity") or {}).get("teamId") for message, _ in found}
        for message, page in found:
            links = " ".join(str(page.get(f"@odata.{link}", "")) for link in ("context", "nextLink", "deltaLink"))
            match = re.search(r"\busers(?:\('([^']+)'\)|/([^/]+)/)", links)
            whose = (match[1] or match[2]) if match else None
            if whose is None:
                stem = re.sub(r"\.(json|jsonl)$", "", name)
                for part in reversed(stem.split("/")):
                    part = part.removeprefix("user-")
                    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", part) and part not in teams:
                        whose = part
                        break
                    if "@" in part:
                        whose = by_address[part.lower()]
                        break
            one(work, message, names, lambda to, event: add(to, event, whose))
    return work


def one(work, message, teams, add):
    channel = message.get("channelIdentity") or {}
    chat = channel.get("channelId") or message["chatId"]
    labels = {"team": teams.get(channel.get("teamId"), channel.get("teamId"))} if channel else {}
    if chat not in work.chats:
        two = re.fullmatch(r"19:(.+)_(.+)@unq\.gbl\.spaces", chat)
        kind = "channel" if channel else "direct" if two else "meeting" if ":meeting_" in chat else "group"
        work.chats[chat] = Chat(chat, kind, None, labels, list(two.groups()) if two else [])
    work.chats[chat].labels.update(labels)
    at, own = millis(message["createdDateTime"]), message["id"]
    detail = message.get("eventDetail")
    if detail:
        kind = detail["@odata.type"].removeprefix("#microsoft.graph.").removesuffix("EventMessageDetail")
        for member in detail.get("members", []) if kind in TYPES else []:
            seen(work, member)
            add(work.entries, Event(chat, TYPES[kind], own, member["id"], at, None, None))
        by = (detail.get("initiator") or {}).get("user") or {}
        seen(work, by)
        if kind not in TYPES:
            # Who caused it need not be in the chat.
            add(work.entries, Event(chat, "other", own, None, at, None, None))
        return
    sender = message.get("from") or {}
    person = sender.get("user") or sender.get("application") or {}
    seen(work, person)
    user, text = person.get("id"), text_of(message)
    edited, deleted = message.get("lastEditedDateTime"), message.get("deletedDateTime")
    gone = deleted and text == ""
    add(work.entries, Event(chat, "message", own, user, at, text, None))
    if edited and not gone:
        add(work.entries, Event(chat, "edit", own, user, millis(edited), text, own))
    if deleted:
        add(work.entries, Event(chat, "delete", own, None, millis(deleted), None, own, text or None))
    if message.get("policyViolation"):
        add(work.entries, Event(chat, "other", f"other:policy-violation:{own}:{iso(at)}", None, at, None, own))
    told = [(reaction, None) for reaction in message.get("reactions", [])]
    for item in message.get("messageHistory", []):
        told.append((item["reaction"], item["modifiedDateTime"] if item["actions"] == "reactionRemoved" else None))
    for reaction, taken in told:
        name = reaction["displayName"] if reaction["reactionType"] == "custom" else reaction["reactionType"]
        who = reaction["user"]["user"]
        seen(work, who)
        when = millis(taken or reaction["createdDateTime"])
        add(work.reactions, Event(chat, "reaction", f"{own} {name} {taken is not None}", who["id"], when, name, own))


def seen(work, person):
    if person.get("id") and person["id"] not in work.users:
        outside = person.get("userIdentityType") in OUTSIDE or person.get("tenantId") not in (None, HOME)
        work.users[person["id"]] = User(person["id"], None, True, outside)


def own(event):
    """What stands for the id of an event of consign.json: Consign derives ids where Graph has none."""
    kind = event.get("kind") or event["type"]
    if kind in ("edit", "delete"):
        return event["target"]
    if kind == "reaction":
        return f"{event['target']} {event['text']} {event.get('removed', False)}"
    if kind in ("join", "leave"):  # join:USER:MESSAGE:TIME
        return event["id"][len(f"{kind}:{event['user']}:") : -len(":2026-01-05T08:00:00.000Z")]
    return event["id"]
