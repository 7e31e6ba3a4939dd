import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keeps, problems } from '../src/filter';

test('bots are left out', () => {
  const bot = { id: 'B1', flags: { bot: true } };
  assert.ok(keeps({ id: 'U1', flags: {} }, {}));
  assert.ok(!keeps(bot, {}));
  assert.ok(keeps(bot, { but: ['B1'] }));
  assert.ok(keeps(undefined, {}));
});

test('an id has a letter', () => {
  assert.deepEqual(problems({ but: ['B1'] }), []);
  assert.equal(problems({ but: ['B1', ''] })[0]?.pointer, '/but/1');
});
