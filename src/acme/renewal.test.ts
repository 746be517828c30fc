import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { renewalAt, waitAfter } from './renewal.ts';

const LIFE = { notBefore: 0, notAfter: 90 * DAY };
const window = (start: number, end: number) => ({ start: start * DAY, end: end * DAY });

describe('when a certificate is renewed', () => {
  const cases = [
    ['there is none: now', { certificate: undefined, window: undefined, chance: 0 }, 0],
    ['without a suggestion: a third of its life is left', { certificate: LIFE, window: undefined, chance: 0.9 }, 60],
    ['at the begin of the suggested window', { certificate: LIFE, window: window(50, 60), chance: 0 }, 50],
    ['at a time by chance inside it', { certificate: LIFE, window: window(50, 60), chance: 0.25 }, 52.5],
    ['a window in the past: now', { certificate: LIFE, window: window(-5, -3), chance: 0.5 }, -4],
    [
      'a window behind its end: half a day before the end',
      { certificate: LIFE, window: window(95, 99), chance: 0 },
      89.5,
    ],
    ['six days: after four', { certificate: { notBefore: 0, notAfter: 6 * DAY }, window: undefined, chance: 0 }, 4],
  ] as const;
  for (const [title, standing, days] of cases) test(title, () => assert.equal(renewalAt(standing) / DAY, days));

  test('never behind its end, whatever is suggested', () => {
    const instant = fc.integer({ min: -1e13, max: 1e13 });
    fc.assert(
      fc.property(instant, fc.nat(1e12), fc.double({ min: 0, max: 0.999, noNaN: true }), (start, length, chance) => {
        const at = renewalAt({ certificate: LIFE, window: { start, end: start + length }, chance });
        assert.ok(at < LIFE.notAfter);
      }),
    );
  });
});

describe('the wait after failures', () => {
  const cases = [
    [1, undefined, 15 * MINUTE],
    [2, undefined, 30 * MINUTE],
    [3, undefined, HOUR],
    [8, undefined, DAY],
    [100, undefined, DAY],
    [1, 3 * HOUR, 3 * HOUR],
    [4, MINUTE, 2 * HOUR],
    // What nobody can mean.
    [1, 1000 * DAY, 7 * DAY],
  ] as const;
  for (const [failures, asked, wait] of cases)
    test(`${failures} failed, asked to wait ${asked ?? 'nothing'}`, () =>
      assert.equal(waitAfter(failures, asked, 0), wait));
});
