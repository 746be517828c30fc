/** The two bounded memories of the commit: octets of a group, and the latest things. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Arena } from './arena.ts';
import { Recent } from './recent.ts';

describe('Arena', () => {
  test('every piece stays as it was, whatever comes after it', () => {
    const piece = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.integer({ min: 0, max: 700_000 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const arena = new Arena();
        for (let round = 0; round < 2; round++) {
          const source = Buffer.alloc(700_000);
          const made = pieces.map((each, i) => {
            if (typeof each === 'string') return { got: arena.text(each), want: Buffer.from(each) };
            const got = arena.copy(source.fill(i).subarray(0, each));
            return { got, want: Buffer.alloc(each, i) };
          });
          source.fill(0xee);
          for (const { got, want } of made) assert.ok(got.equals(want));
          arena.reset();
        }
      }),
      { numRuns: 30 },
    );
  });

  test('memory is used again after a reset, and one chunk of it', () => {
    const arena = new Arena();
    const first = arena.copy(Buffer.from('a')).buffer;
    const large = arena.copy(Buffer.alloc(3_000_000)).buffer;
    assert.notEqual(large, first);
    arena.reset();
    assert.equal(arena.copy(Buffer.from('b')).buffer, first);
  });
});

describe('Recent', () => {
  test('holds the latest, and never more than twice as many', () => {
    const recent = new Recent<number, string>(10);
    for (let i = 0; i < 1000; i++) recent.set(i, `v${i}`);
    for (let i = 990; i < 1000; i++) assert.equal(recent.get(i), `v${i}`);
    const held = Array.from({ length: 1000 }, (_, i) => i).filter((i) => recent.get(i) !== undefined);
    assert.ok(held.length <= 20, String(held.length));
  });

  test('what is asked for stays', () => {
    const recent = new Recent<number, number>(10);
    recent.set(-1, 7);
    for (let i = 0; i < 100; i++) {
      recent.set(i, i);
      assert.equal(recent.get(-1), 7);
    }
  });

  test('the newer value counts, and what is deleted is gone from both generations', () => {
    const recent = new Recent<string, number>(2);
    recent.set('a', 1);
    recent.set('b', 1);
    recent.set('c', 1);
    recent.set('a', 2);
    assert.equal(recent.get('a'), 2);
    recent.delete('a');
    assert.equal(recent.get('a'), undefined);
    recent.clear();
    assert.equal(recent.get('c'), undefined);
  });
});
