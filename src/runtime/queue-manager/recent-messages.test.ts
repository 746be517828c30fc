import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf } from '../../../test/lib/entries.ts';
import { messageOf } from '../../../test/lib/queue-parts.ts';
import { type NewMessage } from '../../spool/spool.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { FAST_PATH_TIME, RecentMessages } from './recent-messages.ts';

function message(n: number, octets: number): NewMessage {
  const entries = [entryOf({ id: `${idOf(n)}/0` })];
  return messageOf(entries, { content: { kind: 'octets', octets: Buffer.alloc(octets, 'x') } });
}

test('a message is there from its commit until it is dropped, and its octets are given back', () => {
  const recent = new RecentMessages(1e6);
  recent.keep(message(1, 5000), 0);
  assert.equal(recent.get(idOf(1))?.octets?.length, 5000);
  assert.equal(recent.get(idOf(1))?.message.envelope.reversePath?.localPart, 'ann');
  recent.drop(idOf(1));
  recent.drop(idOf(1));
  assert.equal(recent.get(idOf(1)), undefined);
  assert.equal(recent.octets, 0);
});

test('what does not fit is not kept; of what is in a file the envelope is', () => {
  const recent = new RecentMessages(10_000);
  recent.keep(message(1, 6000), 0);
  recent.keep(message(2, 6000), 0);
  recent.keep({ ...message(3, 1), content: { kind: 'file', path: '/x', octets: 1 } }, 0);
  assert.deepEqual(
    [1, 2, 3].map((n) => recent.get(idOf(n)) !== undefined),
    [true, false, true],
  );
});

test('empty messages are counted too: their envelopes take room', () => {
  const recent = new RecentMessages(100_000);
  for (let n = 0; n < 1000; n += 1) recent.keep(message(n, 0), 0);
  assert.ok(recent.get(idOf(0)) !== undefined);
  assert.equal(recent.get(idOf(999)), undefined);
  assert.ok(recent.octets <= 100_000);
});

test('what never came to an attempt (removed, held, put off) is forgotten in time, and makes room', () => {
  const recent = new RecentMessages(10_000);
  recent.keep(message(1, 8000), 0);
  recent.keep(message(2, 8000), FAST_PATH_TIME - 1);
  assert.equal(recent.get(idOf(2)), undefined);
  recent.keep(message(3, 8000), FAST_PATH_TIME);
  assert.equal(recent.get(idOf(1)), undefined);
  assert.equal(recent.get(idOf(3))?.octets?.length, 8000);
});
