import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Ring } from './ring.ts';

describe('Ring', () => {
  test('first in is first out, across growth and around the edge', () => {
    const ring = new Ring<number>();
    for (let i = 0; i < 20; i++) ring.push(i);
    for (let i = 0; i < 15; i++) assert.equal(ring.shift(), i);
    for (let i = 20; i < 60; i++) ring.push(i);
    for (let i = 15; i < 60; i++) assert.equal(ring.shift(), i);
    assert.equal(ring.shift(), undefined);
    assert.equal(ring.length, 0);
  });

  test('what is put back at the front comes out first', () => {
    const ring = new Ring<string>();
    ring.push('b');
    ring.unshift('a');
    assert.equal(ring.peek(), 'a');
    assert.deepEqual([ring.shift(), ring.shift(), ring.peek()], ['a', 'b', undefined]);
  });

  test('does what an array does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('push' as const, 'unshift' as const), value: fc.integer() }),
      fc.record({ kind: fc.constantFrom('shift' as const, 'clear' as const), value: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ring = new Ring<number>();
        let model: number[] = [];
        for (const { kind, value } of steps) {
          if (kind === 'push' || kind === 'unshift') {
            ring[kind](value);
            model[kind](value);
          } else if (kind === 'shift') assert.equal(ring.shift(), model.shift());
          else {
            ring.clear();
            model = [];
          }
          assert.equal(ring.length, model.length);
          assert.equal(ring.peek(), model[0]);
        }
      }),
    );
  });
});
