// `example/accounts-ts`: messages from outside that hold an account number. The same filter stands beside this one in Rust and in Python, and gives the same
// verdicts.

import type { Chat, ChatDecision, ConfigError, View } from 'consign:filter/criteria@0.1.0';
import type { Participant } from 'consign:filter/types@0.1.0';

import { holdsAccount, length } from './accounts';
import { told } from './told';

/** A view has this for an event that nobody did. */
const NO_SENDER = 0xffffffff;

/** Rules, by their index in the manifest. */
const INSIDE = 0;
const NO_ACCOUNT = 1;

const MANIFEST = {
  name: 'example/accounts-ts',
  version: '1.0.0',
  summary: 'Messages from outside that hold an account number.',
  kind: 'criteria',
  needs: ['participants', 'senders', 'text'],
  rules: [
    { code: 'inside', summary: 'one of ours did it, or nobody' },
    { code: 'no-account', summary: 'its text holds no account number (IBAN) of these countries' },
  ],
  'config-schema': {
    description: 'Messages from outside that hold an account number.',
    type: 'object',
    additionalProperties: false,
    properties: {
      ours: {
        description: 'Domains of our own addresses: whoever has one of these is not outside. desk.example means uk.desk.example too.',
        type: 'array',
        items: { type: 'string' },
        minItems: 1,
      },
      countries: {
        description: 'Countries whose accounts count, by their two letters; all of them where none is given.',
        type: 'array',
        items: { type: 'string' },
        default: [],
      },
    },
    required: ['ours'],
    examples: [{ ours: ['desk.example'] }],
  },
};

interface Config {
  ours: string[];
  countries?: string[];
}

// One instance serves one chat, so what is known of it stands in variables.
let ours: string[] = [];
let countries = new Set<string>();
let outside: boolean[] = [];

/** What the host calls. An error is thrown as the contract has it: a list of configuration errors, or a text. */
export const criteria = told({
  describe(): string {
    return JSON.stringify(MANIFEST);
  },

  configure(text: string): void {
    const config: Config = JSON.parse(text);
    const errors: ConfigError[] = [];
    config.ours.forEach((domain, index) => {
      if (domain === '' || /[@ ]/.test(domain)) errors.push({ pointer: `/ours/${index}`, message: `"${domain}" is no domain, such as desk.example` });
    });
    (config.countries ?? []).forEach((country, index) => {
      const message = `"${country}" is no country with account numbers (IBAN), such as DE`;
      if (length(country) === undefined) errors.push({ pointer: `/countries/${index}`, message });
    });
    if (errors.length > 0) throw errors;
    ours = config.ours.map(lowerCase);
    countries = new Set(config.countries);
  },

  beginChat(chat: Chat): ChatDecision {
    outside = chat.participants().map(isOutside);
    return outside.includes(true) ? { tag: 'inspect' } : { tag: 'omit-all', val: INSIDE };
  },

  evaluate(events: View): Uint8Array {
    const { ends, bytes } = events.texts();
    const decoder = new TextDecoder();
    const verdict = (sender: number, index: number): number => {
      if (sender === NO_SENDER || !outside[sender]) return INSIDE + 1;
      const text = decoder.decode(bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]));
      return holdsAccount(text, (country) => countries.size === 0 || countries.has(country)) ? 0 : NO_ACCOUNT + 1;
    };
    return Uint8Array.from(events.senders(), verdict);
  },
});

function isOutside(participant: Participant): boolean {
  if (participant.flags.external) return true;
  if (participant.email === undefined) return false;
  const domain = lowerCase(participant.email.slice(participant.email.lastIndexOf('@') + 1));
  return !ours.some((mine) => domain === mine || domain.endsWith(`.${mine}`));
}

/** Of ASCII letters alone, as host names have it. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
