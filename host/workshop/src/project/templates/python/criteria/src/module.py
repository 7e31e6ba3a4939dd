"""`{{name}}`: what the host calls."""

import json

from componentize_py_types import Err
from decide import keeps, problems
from told import told
from wit_world import exports
from wit_world.exports.criteria import ChatDecision_Inspect
from wit_world.imports.types import ConfigError, UserFlags

# needs: name what is read and nothing else, the tenant approves it. rules: why an event is left out; verdicts name them by index.
MANIFEST = {
    "name": "{{name}}",
    "version": "0.1.0",
    "summary": "Leaves out what bots wrote, but for those that the policy names.",
    "kind": "criteria",
    "needs": ["participants", "senders"],
    "rules": [{"code": "bot", "summary": "a bot wrote it"}],
    "config-schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "but": {
                "description": "Bots that are kept all the same, by the platform's ids.",
                "type": "array",
                "items": {"type": "string"},
                "default": [],
            },
        },
    },
}

# Verdicts: 0 keeps an event, n leaves it out by rule n - 1.
KEEP = 0
BOT = 1

# A view has this for an event that nobody did.
NO_SENDER = 0xFFFFFFFF


class Criteria(exports.Criteria):
    """What the host calls. Each call gets an object of its own, and the module is one chat's: so what has to last stands in the class. An error is raised as the
    contract has it, `Err` with what is wrong."""

    config = {}
    participants = []

    def describe(self):
        return json.dumps(MANIFEST)

    @told
    def configure(self, config):
        Criteria.config = json.loads(config)
        wrong = [ConfigError(pointer, message) for pointer, message in problems(self.config)]
        if wrong:
            raise Err(wrong)

    @told
    def begin_chat(self, chat):
        Criteria.participants = chat.participants()
        return ChatDecision_Inspect()

    @told
    def evaluate(self, events):
        return bytes(self.verdict(sender) for sender in events.senders())

    def verdict(self, sender):
        if sender == NO_SENDER:
            return KEEP
        participant = self.participants[sender]
        return KEEP if keeps(participant.id, UserFlags.BOT in participant.flags, self.config) else BOT
