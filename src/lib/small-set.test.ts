import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SmallSet } from './small-set.ts';

type Step = { readonly kind: 'add' | 'delete'; readonly item: number } | { readonly kind: 'clear' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ kind: fc.constantFrom('add', 'delete'), item: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' } as const) },
);

describe('a small set', () => {
  it('holds what a set holds, in its order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const small = new SmallSet<number>();
        const plain = new Set<number>();
        for (const each of steps) {
          if (each.kind === 'clear') {
            small.clear();
            plain.clear();
          } else {
            small[each.kind](each.item);
            plain[each.kind](each.item);
          }
          assert.deepEqual([...small], [...plain]);
          assert.equal(small.size, plain.size);
          assert.equal(small.first, [...plain][0]);
          for (let item = 0; item < 5; item += 1) assert.equal(small.has(item), plain.has(item), String(item));
        }
      }),
    );
  });

  it('lets the element of a loop be put behind the others', () => {
    const set = new SmallSet<string>();
    for (const item of ['a', 'b', 'c']) set.add(item);
    const seen: string[] = [];
    for (const item of set) {
      seen.push(item);
      if (seen.length > 2) break;
      set.delete(item);
      set.add(item);
    }
    assert.deepEqual(seen, ['a', 'b', 'c']);
    assert.deepEqual([...set], ['c', 'a', 'b']);
  });
});
