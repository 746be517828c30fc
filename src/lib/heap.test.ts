import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TimeHeap } from './heap.ts';

describe('TimeHeap', () => {
  test('the earliest comes first, and nothing before its time', () => {
    const heap = new TimeHeap<string>();
    heap.set('late', 30);
    heap.set('early', 10);
    assert.equal(heap.next(), 10);
    assert.equal(heap.pop(9), undefined);
    assert.equal(heap.pop(10), 'early');
    assert.equal(heap.pop(29), undefined);
    assert.equal(heap.pop(100), 'late');
    assert.equal(heap.next(), undefined);
  });

  test('equal times come out in the order in which they were set', () => {
    const heap = new TimeHeap<string>();
    for (const key of ['c', 'a', 'b', 'd']) heap.set(key, 5);
    assert.deepEqual([heap.pop(5), heap.pop(5), heap.pop(5), heap.pop(5)], ['c', 'a', 'b', 'd']);
  });

  test('lower never makes a time later', () => {
    const heap = new TimeHeap<string>();
    heap.lower('a', 10);
    heap.lower('a', 20);
    assert.equal(heap.timeOf('a'), 10);
    heap.lower('a', 5);
    assert.equal(heap.timeOf('a'), 5);
  });

  test('does what a sorted map does', () => {
    const step = fc.tuple(fc.constantFrom('set', 'remove', 'pop'), fc.nat(12), fc.nat(50));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new TimeHeap<number>();
        const model = new Map<number, number>();
        for (const [kind, key, time] of steps) {
          if (kind === 'set') {
            heap.set(key, time);
            model.set(key, time);
          } else if (kind === 'remove') {
            heap.remove(key);
            model.delete(key);
          } else {
            const popped = heap.pop(time);
            const earliest = Math.min(...model.values());
            if (earliest > time) assert.equal(popped, undefined);
            else {
              assert.equal(model.get(popped!), earliest);
              model.delete(popped!);
            }
          }
          assert.equal(heap.size, model.size);
          assert.equal(heap.next(), model.size === 0 ? undefined : Math.min(...model.values()));
        }
      }),
    );
  });
});
