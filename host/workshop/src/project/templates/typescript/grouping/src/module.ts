// `{{name}}`: what the host calls.

import type { Assignment, Chat, Group, LeftOut, Placement, View } from 'consign:filter/grouping@0.1.0';
import type { Participant } from 'consign:filter/types@0.1.0';

import { type Config, emailOf } from './filter';
import { told } from './told';

// needs: name what is read and nothing else, the tenant approves it. rules: why an event is left out; placements name them by index.
const MANIFEST = {
  name: '{{name}}',
  version: '0.1.0',
  summary: 'One e-mail for each sender of a chat.',
  kind: 'grouping',
  needs: ['participants', 'senders'],
  rules: [{ code: 'no-sender', summary: 'nobody wrote it' }],
  'config-schema': {
    type: 'object',
    additionalProperties: false,
    properties: {
      bots: {
        description: 'Whether each bot has an e-mail of its own (each), or all of a chat share one (together).',
        enum: ['each', 'together'],
        default: 'each',
      },
    },
  },
};

const NO_SENDER_RULE = 0;

/** A view has this for an event that nobody did. */
const NO_SENDER = 0xffffffff;

// One instance serves one chat, so what is known of it stands in variables.
let config: Config = {};
let participants: Participant[] = [];
const groups: Group[] = [];
const numbers = new Map<string, number>();

/** An error is thrown as the contract has it: a list of configuration errors, or a text. */
export const grouping = told({
  describe(): string {
    return JSON.stringify(MANIFEST);
  },

  configure(text: string): void {
    config = JSON.parse(text);
  },

  beginChat(chat: Chat): void {
    participants = chat.participants();
  },

  place(events: View): Placement {
    const assigned: Assignment[] = [];
    const leftOut: LeftOut[] = [];
    events.senders().forEach((sender, index) => {
      const email = emailOf(sender === NO_SENDER ? undefined : participants[sender], config);
      if (email === undefined) leftOut.push({ first: index, last: index, rule: NO_SENDER_RULE });
      else assigned.push({ first: index, last: index, group: numberOf(email.key, email.title) });
    });
    return { assigned, leftOut };
  },

  finishChat(): Group[] {
    return groups;
  },
});

/** Groups are numbered as they are met. */
function numberOf(key: string, title: string): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, groups.length);
  // A title is one line. The engine in the component has no tables of Unicode: control characters are named by their numbers, not as \p{Cc}.
  groups.push({ key, title: title.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' '), subject: undefined, labels: [] });
  return groups.length - 1;
}
