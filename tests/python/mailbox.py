"""Reads a mailbox with Python's own `email` package: what an archive's reader would see, by none of Consign's code."""

import email
import email.policy
import hashlib
import json
import os
import re
import sys

OWN_FIRST = b"x-consign-policy:"


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def files(path):
    """The files of a Maildir, or of a folder of .eml files."""
    folders = [os.path.join(path, name) for name in ("new", "cur")]
    if any(os.path.isdir(folder) for folder in folders):
        found = [os.path.join(folder, name) for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)]
    else:
        found = [os.path.join(path, name) for name in os.listdir(path) if name.endswith(".eml")]
    return sorted(found)


def original(raw):
    """The e-mail as it was sent: lines by CRLF, without what servers put on top."""
    raw = raw.replace(b"\r\n", b"\n")
    lines = raw.split(b"\n")
    for index, line in enumerate(lines):
        if not line:
            break
        if line.lower().startswith(OWN_FIRST):
            return b"\r\n".join(lines[index:])
    return None


class Mail:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            raw = file.read()
        self.raw = original(raw)
        if self.raw is None:
            fail(f"{path} has no header of Consign")
        self.sha256 = hashlib.sha256(self.raw).hexdigest()
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)
        self.id = self.message["Message-ID"].strip().strip("<>")
        self.policy = str(self.message["X-Consign-Policy"])
        parts = [part for part in self.message.walk() if not part.is_multipart()]
        for part in self.message.walk():
            if part.defects:
                fail(f"{path}: {part.get_content_type()} has defects: {part.defects}")
        named = [part for part in parts if part.get_filename() == "consign.json"]
        if len(named) != 1 or named[0].get_content_type() != "application/json":
            fail(f"{path} has {len(named)} parts named consign.json")
        self.json = json.loads(named[0].get_content())
        kinds = [part.get_content_type() for part in parts]
        if "text/plain" not in kinds or "text/html" not in kinds:
            fail(f"{path} lacks a plain or an HTML text: {kinds}")
        for header in ("From", "To", "Date", "Subject", "Message-ID"):
            if len(self.message.get_all(header, [])) != 1:
                fail(f"{path} has {len(self.message.get_all(header, []))} headers {header}")
        self.plain = next(part.get_content() for part in parts if part.get_content_type() == "text/plain")
        self.attached = [part for part in parts if part.get_content_disposition() == "attachment" and part.get_filename() != "consign.json"]

    @property
    def events(self):
        return self.json["events"]

    @property
    def chat(self):
        return self.json["chat"]["id"]

    @property
    def subject(self):
        return self.json["group"]["subject"]


def of_another(file, policy):
    """Whether the first header of its kind, which is ours, names another policy."""
    with open(file, "rb") as opened:
        found = re.search(rb"^x-consign-policy:[ \t]*(\S+)[ \t]*\r?$", opened.read(), re.I | re.M)
    return found is not None and found[1].decode() != policy


def read(path, policy=None):
    """Every e-mail once, and how often each came. The same Message-ID twice must be the same bytes."""
    mails, copies = {}, {}
    for file in files(path):
        # Parsing takes ten milliseconds, and a mailbox has several policies' e-mails.
        if policy is not None and of_another(file, policy):
            continue
        mail = Mail(file)
        if policy is not None and mail.json["policy"] != policy:
            continue
        before = mails.setdefault(mail.id, mail)
        if before.sha256 != mail.sha256:
            fail(f"{before.path} and {mail.path} have the Message-ID {mail.id} and other bytes")
        copies[mail.id] = copies.get(mail.id, 0) + 1
    check_parts(mails.values())
    return list(mails.values()), copies


def check_parts(mails):
    """Each group has all of its parts."""
    groups = {}
    for mail in mails:
        doc = mail.json
        key = (doc["policy"], doc["source"], mail.chat, json.dumps(doc["window"]), doc.get("supplement", 0), doc["group"]["key"], doc["group"]["subject"])
        groups.setdefault(key, []).append((doc["part"], doc["parts"]))
    for key, parts in groups.items():
        if sorted(parts) != [(number, len(parts)) for number in range(1, len(parts) + 1)]:
            fail(f"group {key} has the parts {sorted(parts)}")


if __name__ == "__main__":  # each e-mail of a folder with its SHA-256
    print(json.dumps({mail.id: mail.sha256 for mail in read(sys.argv[1])[0]}))
