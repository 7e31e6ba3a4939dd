"""Reads e-mails with Python's own parser and says what it found, so that the tests do not check our writer with our reader.

Each argument is a file. Output: one JSON object a line, in the same order. After `--both`, also what the package `mail-parser` reads.

Of a journal report, `headers` and everything else are the original's; `outer` and `report` are the report's own headers and text."""

import email
import email.policy
import hashlib
import html.parser
import json
import re
import sys
import unicodedata


class Frame(html.parser.HTMLParser):
    """Takes an HTML body apart: the texts of the blocks of class `x`, and the lines of everything else, a line for each `div`, row and heading."""

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.blocks = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag == "meta":
            return
        if tag == "br":
            self.more("\n") if "x" in self.open else self.outside.append("<br>")
            return
        kind = dict(attributes).get("class", tag)
        if kind == "x":
            self.blocks.append("")
        self.open.append(kind)
        if "x" not in self.open and tag in ("div", "tr", "h1", "h2", "p"):
            self.outside.append("\n")

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if "x" in self.open:
            self.more(data)
        else:
            self.outside.append(data.replace("\n", " "))

    def more(self, text):
        self.blocks[-1] += text


def journal(message, raw, faults):
    """Takes a journal report apart: what is its own, and the original as bytes, cut out by hand, and as Python reads it."""
    parts = list(message.iter_parts())
    if [part.get_content_type() for part in parts] != ["text/plain", "message/rfc822"] or message.get_content_type() != "multipart/mixed":
        faults.append("not the shape of a journal report")
    original = raw.split(b"--" + message.get_boundary().encode("ascii"))[2].split(b"\r\n\r\n", 1)[1][:-2]
    outer = {
        "outer": [[name, str(value)] for name, value in message.items()],
        "report": parts[0].get_content(),
    }
    inner = parts[1].get_payload(0)
    if inner.items() != email.message_from_bytes(original, policy=email.policy.default).items():
        faults.append("the original is not the same by bytes")
    return outer, original, inner


def second(raw):
    """What mail-parser reads."""
    import mailparser

    mail = mailparser.parse_from_bytes(raw)
    return {
        "second": {
            "From": [list(one) for one in mail.from_],
            "To": [list(one) for one in mail.to],
            "Subject": mail.subject,
            "Message-ID": mail.message_id,
            "Date": mail.date.strftime("%Y-%m-%dT%H:%M:%S"),
            "headers": list(mail.message.keys()),
            "plain": "".join(mail.text_plain),
            "html": "".join(mail.text_html),
            "attachments": [one["filename"] for one in mail.attachments],
            "defects": sorted(mail.defects_categories),
        }
    }


def read(path, both):
    with open(path, "rb") as file:
        raw = file.read()
    faults = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        faults.append("a bare CR or LF")
    if max(len(line) for line in raw.split(b"\r\n")) > 998:
        faults.append("a line over 998 bytes")
    if any(byte > 126 for byte in raw) or b"\0" in raw:
        faults.append("not ASCII")
    head = raw.split(b"\r\n\r\n", 1)[0]
    if any(len(line) > 78 and b" " in line.split(b": ", 1)[-1].strip() for line in head.split(b"\r\n")):
        faults.append("a header line over 78 bytes that could be folded")
    message = email.message_from_bytes(raw, policy=email.policy.default)
    faults += [repr(defect) for part in message.walk() for defect in part.defects]
    for part in message.walk():
        for name, value in part.items():
            faults += [f"{name}: {defect!r}" for defect in value.defects]
    outer = {}
    if "X-MS-Journal-Report" in message:
        outer, raw, message = journal(message, raw, faults)
    top = list(message.iter_parts())
    alternative = list(top[0].iter_parts())
    shape = [part.get_content_type() for part in top[:2] + alternative]
    if shape != ["multipart/alternative", "application/json", "text/plain", "text/html"]:
        faults.append(f"shape {shape}")
    if message.get_content_type() != "multipart/mixed" or top[1].get_filename() != "consign.json":
        faults.append("no consign.json where it belongs")
    inner = [list(part.keys()) for part in list(message.walk())[1:]]
    page = alternative[1].get_content()
    frame = Frame()
    frame.feed(page)
    attachments = [
        {
            "name": part.get_filename(),
            "type": part.get_content_type(),
            "sha256": hashlib.sha256(part.get_payload(decode=True)).hexdigest(),
            "size": len(part.get_payload(decode=True)),
        }
        for part in top[2:]
    ]
    # mail-parser gives letters with their accents as one, where they are.
    composed = {"composed": unicodedata.normalize("NFC", str(message["Subject"]))}
    return outer | composed | (second(raw) if both else {}) | {
        "people": {name: [[one.display_name, one.addr_spec] for one in message[name].addresses] for name in ("From", "To")},
        "faults": faults,
        "parts": inner,
        "headers": [[name, str(value)] for name, value in message.items()],
        "plain": alternative[0].get_content(),
        "html": page,
        "frame": "".join(frame.outside),
        "blocks": frame.blocks,
        "json": json.loads(top[1].get_payload(decode=True).decode("utf-8")),
        "attachments": attachments,
    }


paths = [path for path in sys.argv[1:] if path != "--both"]
for path in paths:
    print(json.dumps(read(path, len(paths) < len(sys.argv) - 1)))
