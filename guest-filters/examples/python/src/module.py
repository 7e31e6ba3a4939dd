"""`example/accounts-python`: messages from outside that hold an account number.

The same filter stands beside this one in Rust and in TypeScript, and gives the same verdicts.
"""

import json
import string

from accounts import LENGTHS, holds_account
from componentize_py_types import Err
from told import told
from wit_world import exports
from wit_world.exports.criteria import ChatDecision_Inspect, ChatDecision_OmitAll
from wit_world.imports.types import ConfigError, UserFlags

# A view has this for an event that nobody did.
NO_SENDER = 0xFFFFFFFF

# Rules, by their index in the manifest.
INSIDE = 0
NO_ACCOUNT = 1

MANIFEST = {
    "name": "example/accounts-python",
    "version": "1.0.0",
    "summary": "Messages from outside that hold an account number.",
    "kind": "criteria",
    "needs": ["participants", "senders", "text"],
    "rules": [
        {"code": "inside", "summary": "one of ours did it, or nobody"},
        {"code": "no-account", "summary": "its text holds no account number (IBAN) of these countries"},
    ],
    "config-schema": {
        "description": "Messages from outside that hold an account number.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "ours": {
                "description": "Domains of our own addresses: whoever has one of these is not outside. desk.example means uk.desk.example too.",
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
            },
            "countries": {
                "description": "Countries whose accounts count, by their two letters; all of them where none is given.",
                "type": "array",
                "items": {"type": "string"},
                "default": [],
            },
        },
        "required": ["ours"],
        "examples": [{"ours": ["desk.example"]}],
    },
}

LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Criteria(exports.Criteria):
    """What the host calls. Each call gets an object of its own, and the module is one chat's: so what has to last stands in the class. An error is raised as the
    contract has it, `Err` with what is wrong."""

    ours = []
    countries = set()
    outside = []

    def describe(self):
        return json.dumps(MANIFEST)

    @told
    def configure(self, config):
        config = json.loads(config)
        errors = []
        for index, domain in enumerate(config["ours"]):
            if not domain or "@" in domain or " " in domain:
                errors.append(ConfigError(f"/ours/{index}", f'"{domain}" is no domain, such as desk.example'))
        for index, country in enumerate(config.get("countries", [])):
            if country not in LENGTHS:
                errors.append(ConfigError(f"/countries/{index}", f'"{country}" is no country with account numbers (IBAN), such as DE'))
        if errors:
            raise Err(errors)
        Criteria.ours = [domain.translate(LOWER_CASE) for domain in config["ours"]]
        Criteria.countries = set(config.get("countries", []))

    @told
    def begin_chat(self, chat):
        Criteria.outside = [self.is_outside(participant) for participant in chat.participants()]
        return ChatDecision_Inspect() if any(self.outside) else ChatDecision_OmitAll(INSIDE)

    @told
    def evaluate(self, events):
        texts = events.texts()
        verdicts = bytearray()
        start = 0
        for sender, end in zip(events.senders(), texts.ends):
            if sender == NO_SENDER or not self.outside[sender]:
                verdicts.append(INSIDE + 1)
            elif holds_account(texts.bytes[start:end].decode(), self.counts):
                verdicts.append(0)
            else:
                verdicts.append(NO_ACCOUNT + 1)
            start = end
        return bytes(verdicts)

    def counts(self, country):
        return not self.countries or country in self.countries

    def is_outside(self, participant):
        if UserFlags.EXTERNAL in participant.flags:
            return True
        if participant.email is None:
            return False
        domain = participant.email.rpartition("@")[2].translate(LOWER_CASE)
        return not any(domain == ours or domain.endswith("." + ours) for ours in self.ours)
