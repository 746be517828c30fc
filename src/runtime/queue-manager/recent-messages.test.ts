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

test('a message of several entries is there until the last of them is dispatched', () => {
  const recent = new RecentMessages(1e6);
  const entries = [0, 1, 2].map((n) => entryOf({ id: `${idOf(1)}/${n}` }));
  recent.keep({ ...message(1, 10), entries }, undefined, 0);
  assert.deepEqual(
    [1, 2, 3].map(() => recent.dispatched(idOf(1))),
    ['more', 'more', 'last'],
  );
  assert.equal(recent.octets, 0);
});

test('what a worker has kept takes no room for its octets, goes with the worker, and is told to it when it is over', () => {
  const told: [number, string][] = [];
  const recent = new RecentMessages(10_000, (worker, id) => void told.push([worker, id]));
  for (const n of [1, 2, 3]) assert.equal(recent.keep(message(n, 8000), n % 2, 0), true);
  recent.workerLeft(1);
  assert.deepEqual(
    [1, 2, 3].map((n) => recent.get(idOf(n))?.worker),
    [undefined, 0, undefined],
  );
  assert.deepEqual(told, [], 'there is nobody to be told');
  recent.keep(message(4, 1), 1, FAST_PATH_TIME);
  assert.deepEqual(told, [[0, idOf(2)]]);
});

test('a message is there from its commit until its entry is dispatched, and its octets are given back', () => {
  const recent = new RecentMessages(1e6);
  assert.equal(recent.keep(message(1, 5000), undefined, 0), true);
  assert.equal(recent.get(idOf(1))?.octets?.length, 5000);
  assert.equal(recent.get(idOf(1))?.message.envelope.reversePath?.localPart, 'ann');
  assert.equal(recent.dispatched(idOf(1)), 'last');
  assert.equal(recent.dispatched(idOf(1)), 'last');
  assert.equal(recent.get(idOf(1)), undefined);
  assert.equal(recent.octets, 0);
});

test('what does not fit is not kept; of what is in a file the envelope is', () => {
  const recent = new RecentMessages(10_000);
  const file = { ...message(3, 1), content: { kind: 'file', path: '/x', octets: 1 } } as const;
  assert.deepEqual(
    [message(1, 6000), message(2, 6000), file].map((one) => recent.keep(one, undefined, 0)),
    [true, false, true],
  );
  assert.deepEqual(
    [1, 2, 3].map((n) => recent.get(idOf(n)) !== undefined),
    [true, false, true],
  );
});

test('empty messages are counted too: their envelopes take room', () => {
  const recent = new RecentMessages(100_000);
  for (let n = 0; n < 1000; n += 1) recent.keep(message(n, 0), undefined, 0);
  assert.ok(recent.get(idOf(0)) !== undefined);
  assert.equal(recent.get(idOf(999)), undefined);
  assert.ok(recent.octets <= 100_000);
});

test('what never came to an attempt (removed, held, put off) is forgotten in time, and makes room', () => {
  const recent = new RecentMessages(10_000);
  recent.keep(message(1, 8000), undefined, 0);
  recent.keep(message(2, 8000), undefined, FAST_PATH_TIME - 1);
  assert.equal(recent.get(idOf(2)), undefined);
  recent.keep(message(3, 8000), undefined, FAST_PATH_TIME);
  assert.equal(recent.get(idOf(1)), undefined);
  assert.equal(recent.get(idOf(3))?.octets?.length, 8000);
});
