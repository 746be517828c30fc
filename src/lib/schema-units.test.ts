import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Rate } from './gcra.ts';
import { formatDuration, formatOctets, parseDuration, parseOctets, parseRate } from './schema-units.ts';
import { DAY, HOUR, MINUTE, SECOND } from './time.ts';

describe('durations', () => {
  const good: readonly (readonly [string, number])[] = [
    ['15m', 15 * MINUTE],
    ['1h30m', 90 * MINUTE],
    ['500ms', 500],
    ['5d', 5 * DAY],
    ['1.5h', 90 * MINUTE],
    ['0s', 0],
    ['1m1ms', MINUTE + 1],
    ['2s', 2 * SECOND],
  ];
  for (const [text, want] of good)
    test(`${text} is read`, () => assert.deepEqual(parseDuration(text), { ok: true, value: want }));

  const bad = ['', '15', 'm', '15 m', '-1m', '15M', '1h ', '1e3s', '99999999d', `${'1'.repeat(50)}s`, '١٥m', '1h\n'];
  for (const text of bad) test(`${JSON.stringify(text)} is refused`, () => assert.equal(parseDuration(text).ok, false));

  test('what is printed reads back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30_000 * DAY }), (value) => {
        assert.deepEqual(parseDuration(formatDuration(value)), { ok: true, value });
      }),
    );
  });

  test('is printed in units as large as they go', () => {
    assert.equal(formatDuration(DAY + 2 * HOUR + 250), '1d2h250ms');
    assert.equal(formatDuration(0), '0s');
  });
});

describe('octets', () => {
  const good: readonly (readonly [string, number])[] = [
    ['50MiB', 50 * 2 ** 20],
    ['1.5 GB', 1.5e9],
    ['4096', 4096],
    ['1KB', 1000],
    ['1kB', 1000],
    ['0', 0],
  ];
  for (const [text, want] of good)
    test(`${text} is read`, () => assert.deepEqual(parseOctets(text), { ok: true, value: want }));

  for (const text of ['', 'MiB', '-1', '50 mib', '50MiBs', '99999999TiB', '1e9'])
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(parseOctets(text).ok, false));

  test('what is printed reads back', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (value) => {
        assert.deepEqual(parseOctets(formatOctets(value)), { ok: true, value });
      }),
    );
  });
});

describe('rates', () => {
  const good: readonly (readonly [string, object])[] = [
    ['100/1h', { amount: 100, period: HOUR, burst: 1 }],
    ['100/h', { amount: 100, period: HOUR, burst: 1 }],
    ['5 / 10m burst 20', { amount: 5, period: 10 * MINUTE, burst: 20 }],
  ];
  for (const [text, value] of good)
    test(`${text} is read`, () => assert.deepEqual(parseRate(text), { ok: true, value }));

  for (const text of ['', '100', '100/', '/h', '0/h', '1/0s', '-1/h', '1/h burst 0', '1.5/h', '1/h burst', '1/hour'])
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(parseRate(text).ok, false));

  test('what is printed reads back', () => {
    const whole = fc.integer({ min: 1, max: 1e9 });
    fc.assert(
      fc.property(whole, whole, whole, (amount, period, burst) => {
        const value = { amount, period, burst };
        assert.deepEqual(parseRate(formatRate(value)), { ok: true, value });
      }),
    );
  });
});

function formatRate({ amount, period, burst }: Rate): string {
  return `${amount}/${formatDuration(period)}${burst === 1 ? '' : ` burst ${burst}`}`;
}
