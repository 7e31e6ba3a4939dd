"""`{{name}}`: what the host calls."""

import json
import unicodedata

from decide import email_of
from wit_world import exports
from wit_world.exports.grouping import Assignment, Group, LeftOut, Placement
from wit_world.imports.types import UserFlags

# needs: name what is read and nothing else, the tenant approves it. rules: why an event is left out; placements name them by index.
MANIFEST = {
    "name": "{{name}}",
    "version": "0.1.0",
    "summary": "One e-mail for each sender of a chat.",
    "kind": "grouping",
    "needs": ["participants", "senders"],
    "rules": [{"code": "no-sender", "summary": "nobody wrote it"}],
    "config-schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "bots": {
                "description": "Whether each bot has an e-mail of its own (each), or all of a chat share one (together).",
                "enum": ["each", "together"],
                "default": "each",
            },
        },
    },
}

NO_SENDER_RULE = 0

# A view has this for an event that nobody did.
NO_SENDER = 0xFFFFFFFF


class Grouping(exports.Grouping):
    """One instance serves one chat. An error is raised as the contract has it: `Err` with what is wrong; any other would be a trap."""

    def __init__(self):
        self.config = {}
        self.participants = []
        self.numbers = {}
        self.groups = []

    def describe(self):
        return json.dumps(MANIFEST)

    def configure(self, config):
        self.config = json.loads(config)

    def begin_chat(self, chat):
        self.participants = chat.participants()

    def place(self, events):
        placement = Placement(assigned=[], left_out=[])
        for index, sender in enumerate(events.senders()):
            if sender == NO_SENDER:
                placement.left_out.append(LeftOut(index, index, NO_SENDER_RULE))
                continue
            participant = self.participants[sender]
            key, title = email_of(participant.id, participant.display_name, UserFlags.BOT in participant.flags, self.config)
            placement.assigned.append(Assignment(index, index, self.number_of(key, title)))
        return placement

    def finish_chat(self):
        return self.groups

    def number_of(self, key, title):
        """Groups are numbered as they are met."""
        if key not in self.numbers:
            self.numbers[key] = len(self.groups)
            # A title is one line.
            title = "".join(" " if unicodedata.category(character) == "Cc" else character for character in title)
            self.groups.append(Group(key, title, None, []))
        return self.numbers[key]
