import assert from 'node:assert/strict';
import { test } from 'node:test';

import { holdsAccount } from '../src/accounts';

const everywhere = () => true;

test('numbers are found', () => {
  // The examples of the IBAN registry.
  for (const number of ['DE89370400440532013000', 'GB29 NWBK 6016 1331 9268 19', 'NO9386011117947', 'MT84MALT011000012345MTLCAST001S']) {
    assert.ok(holdsAccount(`pay it to ${number}, please`, everywhere), number);
    assert.ok(holdsAccount(number, everywhere), number);
  }
});

test('what looks like one', () => {
  for (const other of [
    'DE88370400440532013000',
    'DE8937040044053201300',
    'DE893704004405320130000',
    'XDE89370400440532013000',
    'DE89370400440532013000x',
    'DE89  370400440532013000',
    'de89370400440532013000',
    'XX89370400440532013000',
    'DEÄ9370400440532013000',
    'DE',
    '',
  ]) {
    assert.ok(!holdsAccount(other, everywhere), other);
  }
  assert.ok(!holdsAccount('DE89370400440532013000', (country) => country === 'FR'));
});
