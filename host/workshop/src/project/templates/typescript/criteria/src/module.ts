// `{{name}}`: what the host calls.

import type { Chat, ChatDecision, View } from 'consign:filter/criteria@0.1.0';
import type { Participant } from 'consign:filter/types@0.1.0';

import { type Config, keeps, problems } from './filter';
import { told } from './told';

// needs: name what is read and nothing else, the tenant approves it. rules: why an event is left out; verdicts name them by index.
const MANIFEST = {
  name: '{{name}}',
  version: '0.1.0',
  summary: 'Leaves out what bots wrote, but for those that the policy names.',
  kind: 'criteria',
  needs: ['participants', 'senders'],
  rules: [{ code: 'bot', summary: 'a bot wrote it' }],
  'config-schema': {
    type: 'object',
    additionalProperties: false,
    properties: {
      but: { description: "Bots that are kept all the same, by the platform's ids.", type: 'array', items: { type: 'string' }, default: [] },
    },
  },
};

/** Verdicts: 0 keeps an event, n leaves it out by rule n - 1. */
const KEEP = 0;
const BOT = 1;

/** A view has this for an event that nobody did. */
const NO_SENDER = 0xffffffff;

// One instance serves one chat, so what is known of it stands in variables.
let config: Config = {};
let participants: Participant[] = [];

/** An error is thrown as the contract has it: a list of configuration errors, or a text. */
export const criteria = told({
  describe(): string {
    return JSON.stringify(MANIFEST);
  },

  configure(text: string): void {
    config = JSON.parse(text);
    const wrong = problems(config);
    if (wrong.length > 0) throw wrong;
  },

  beginChat(chat: Chat): ChatDecision {
    participants = chat.participants();
    return { tag: 'inspect' };
  },

  evaluate(events: View): Uint8Array {
    const verdict = (sender: number) => (keeps(sender === NO_SENDER ? undefined : participants[sender], config) ? KEEP : BOT);
    return Uint8Array.from(events.senders(), verdict);
  },
});
