import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Gcra } from './gcra.ts';

describe('Gcra', () => {
  test('a burst goes at once, then one per interval', () => {
    const gcra = new Gcra({ amount: 10, period: 1000, burst: 3 });
    for (let i = 0; i < 3; i++) {
      assert.ok(gcra.nextAt() <= 0, `${i} of the burst`);
      gcra.take(0);
    }
    assert.equal(gcra.nextAt(), 100);
    gcra.take(100);
    assert.equal(gcra.nextAt(), 200);
  });

  test('rest gives the burst back and no more', () => {
    const gcra = new Gcra({ amount: 10, period: 1000, burst: 2 });
    gcra.take(0);
    gcra.take(0);
    gcra.take(10_000);
    assert.ok(gcra.nextAt() <= 10_000);
    gcra.take(10_000);
    assert.equal(gcra.nextAt(), 10_100);
  });

  test('a cost above the burst goes, and pays afterwards', () => {
    const gcra = new Gcra({ amount: 1000, period: 1000, burst: 1000 });
    assert.ok(gcra.nextAt(5000) <= 0);
    gcra.take(0, 5000);
    assert.equal(gcra.nextAt(1000), 5000);
  });

  test('a clock that went back does not hold mail for ever', () => {
    const gcra = new Gcra({ amount: 1, period: 1000, burst: 1 });
    gcra.take(1_000_000);
    gcra.bound(0);
    assert.ok(gcra.nextAt() <= 3000);
  });

  test('never more than the rate and one burst', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (amount, burst) => {
        const gcra = new Gcra({ amount, period: 1000, burst });
        let passed = 0;
        for (let now = 0; now <= 5000; now = Math.max(now, gcra.nextAt())) {
          gcra.take(now);
          passed++;
        }
        assert.ok(passed <= amount * 5 + burst, `${passed}`);
        assert.ok(passed >= amount * 5 - 1, `${passed}`);
      }),
      { numRuns: 30 },
    );
  });
});
