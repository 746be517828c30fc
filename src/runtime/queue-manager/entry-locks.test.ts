import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryLocks } from './entry-locks.ts';

const ID = '00000000000000000001/0';

test('an entry is taken by one at a time', () => {
  const locks = new EntryLocks();
  assert.equal(locks.take(ID), true);
  assert.equal(locks.take(ID), false);
  locks.give(ID);
  assert.equal(locks.take(ID), true);
});

test('whoever gives an entry back learns whether somebody else wanted it', () => {
  const locks = new EntryLocks();
  locks.take(ID);
  assert.equal(locks.give(ID), false);
  locks.take(ID);
  locks.take(ID);
  assert.equal(locks.give(ID), true);
  assert.equal(locks.has(ID), false);
});
