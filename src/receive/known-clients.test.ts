import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY } from '../lib/time.ts';
import { KnownClients } from './known-clients.ts';
import { timeTable } from './shared-times.ts';

test('a client is known for a week, to every thread', () => {
  let now = 5000;
  const table = timeTable();
  const clients = new KnownClients(table, () => now);
  const others = new KnownClients(table, () => now);
  assert.equal(clients.has('ann'), false);
  clients.add('ann');
  assert.deepEqual([clients.has('ann'), others.has('ann'), others.has('bob')], [true, true, false]);
  now += 6 * DAY;
  assert.equal(others.has('ann'), true);
  others.add('ann');
  now += 6 * DAY;
  assert.equal(clients.has('ann'), true);
  now += DAY;
  assert.equal(clients.has('ann'), false);
});

test('many that are known make nobody else known', () => {
  const clients = new KnownClients(timeTable(), () => 0);
  for (let n = 0; n < 10_000; n += 1) clients.add(`user${n}`);
  const strangers = Array.from({ length: 10_000 }, (_, n) => `stranger${n}`);
  assert.ok(strangers.filter((key) => clients.has(key)).length < 20);
});
