import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Leases } from './leases.ts';

test('there are as many connections to a next hop as the limit says, over all workers', () => {
  const leases = new Leases(() => 2);
  assert.deepEqual(
    [leases.take('a', 0), leases.take('a', 1), leases.take('a', 0), leases.take('b', 0)],
    [true, true, false, true],
  );
  leases.give('a', 1);
  assert.equal(leases.take('a', 0), true);
  assert.equal(leases.take('a', 1), false);
});

test('what was not taken cannot be given back', () => {
  const leases = new Leases(() => 1);
  leases.give('a', 0);
  leases.give('a', 0);
  assert.deepEqual([leases.take('a', 0), leases.take('a', 0)], [true, false]);
  leases.give('a', 1);
  assert.equal(leases.take('a', 1), false);
});

test("a dead worker's connections are free again, and nobody else's", () => {
  const leases = new Leases(() => 3);
  for (const worker of [0, 0, 1]) leases.take('a', worker);
  leases.workerLeft(0);
  assert.deepEqual([leases.take('a', 1), leases.take('a', 1), leases.take('a', 1)], [true, true, false]);
  // What it gives back after its death is not counted twice.
  leases.give('a', 0);
  assert.equal(leases.take('a', 1), false);
});

test('a limit that was lowered lets nothing new through until it is reached again', () => {
  let limit = 2;
  const leases = new Leases(() => limit);
  leases.take('a', 0);
  leases.take('a', 0);
  limit = 1;
  leases.give('a', 0);
  assert.equal(leases.take('a', 0), false);
  leases.give('a', 0);
  assert.equal(leases.take('a', 0), true);
});
