import assert from 'node:assert/strict';
import { test } from 'node:test';

import { emailOf } from '../src/filter';

test('one for each sender', () => {
  const bot = { id: 'B1', displayName: 'Build', flags: { bot: true } };
  assert.equal(emailOf({ id: 'U1', displayName: 'Ann', flags: {} }, {})?.key, 'U1');
  assert.equal(emailOf(bot, {})?.key, 'B1');
  assert.equal(emailOf(bot, { bots: 'together' })?.key, 'bots');
  assert.equal(emailOf(undefined, {}), undefined);
});
