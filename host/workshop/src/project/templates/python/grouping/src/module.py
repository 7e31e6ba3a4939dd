"""`{{name}}`: what the host calls."""

import json
import unicodedata

from decide import email_of
from told import told
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
    """What the host calls. Each call gets an object of its own, and the module is one chat's: so what has to last stands in the class. An error is raised as the
    contract has it, `Err` with what is wrong."""

    config = {}
    participants = []
    numbers = {}
    groups = []

    def describe(self):
        return json.dumps(MANIFEST)

    @told
    def configure(self, config):
        Grouping.config = json.loads(config)

    @told
    def begin_chat(self, chat):
        Grouping.participants = chat.participants()

    @told
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

    @told
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
