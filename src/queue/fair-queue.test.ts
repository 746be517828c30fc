import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FairQueue, type FairKey } from './fair-queue.ts';

interface Item extends FairKey {
  readonly cost: number;
}

function fill(queue: FairQueue<Item>, item: Partial<Item>, count: number): void {
  const full: Item = { tenant: 'a', queue: 'q', lane: 'fresh', cost: 1, ...item };
  for (let i = 0; i < count; i++) queue.push(full, full);
}

const take = (queue: FairQueue<Item>, count: number) => Array.from({ length: count }, () => queue.shift());

function countBy(items: readonly (Item | undefined)[], name: keyof FairKey): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[item?.[name] ?? ''] = (counts[item?.[name] ?? ''] ?? 0) + 1;
  return counts;
}

describe('FairQueue', () => {
  test('a tenant with 100,000 does not hold up one with ten', () => {
    const queue = new FairQueue<Item>((item) => item.cost);
    fill(queue, { tenant: 'big' }, 100_000);
    fill(queue, { tenant: 'small' }, 10);
    assert.deepEqual(countBy(take(queue, 20), 'tenant'), { big: 10, small: 10 });
  });

  test('many queues do not give a tenant more', () => {
    const queue = new FairQueue<Item>((item) => item.cost);
    for (let i = 0; i < 100; i++) fill(queue, { tenant: 'many', queue: `q${i}` }, 20);
    fill(queue, { tenant: 'one' }, 200);
    assert.deepEqual(countBy(take(queue, 200), 'tenant'), { many: 100, one: 100 });
  });

  test("a tenant's queues take turns", () => {
    const queue = new FairQueue<Item>((item) => item.cost);
    fill(queue, { queue: 'long' }, 1000);
    fill(queue, { queue: 'short' }, 10);
    assert.deepEqual(countBy(take(queue, 20), 'queue'), { long: 10, short: 10 });
  });

  test('fresh and deferred one for one, and either alone at once', () => {
    const queue = new FairQueue<Item>((item) => item.cost);
    fill(queue, { lane: 'deferred' }, 1000);
    fill(queue, { lane: 'fresh' }, 50);
    assert.deepEqual(countBy(take(queue, 100), 'lane'), { fresh: 50, deferred: 50 });
    assert.deepEqual(countBy(take(queue, 100), 'lane'), { deferred: 100 });
  });

  test('lengths', () => {
    const queue = new FairQueue<Item>((item) => item.cost);
    fill(queue, { tenant: 'a' }, 2);
    fill(queue, { tenant: 'a', lane: 'deferred' }, 3);
    assert.deepEqual([queue.length, queue.lengthOf('a'), queue.lengthOf('b')], [5, 5, 0]);
    take(queue, 5);
    assert.equal(queue.length, 0);
    assert.equal(queue.shift(), undefined);
  });
});
