import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HOUR, MINUTE, SECOND } from '../lib/time.ts';
import {
  formatDateTime,
  formatDeliverBy,
  parseDateTime,
  parseDeliverBy,
  parseHoldFor,
  parseHoldUntil,
} from './sending-times.ts';

const EVE = Date.UTC(2026, 11, 24, 18);

describe('date-times of RFC 3339', () => {
  const good: readonly [string, number][] = [
    ['2026-12-24T18:00:00Z', EVE],
    ['2026-12-24t18:00:00z', EVE],
    ['2026-12-24T19:30:00+01:30', EVE],
    ['2026-12-24T13:00:00-05:00', EVE],
    ['2026-12-24T18:00:00.250Z', EVE + 250],
    ['2026-12-24T18:00:00-00:00', EVE],
    ['2026-12-31T23:59:60Z', Date.UTC(2027, 0, 1)],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
  ];
  for (const [text, want] of good) test(text, () => assert.equal(parseDateTime(text), want));

  for (const text of [
    '',
    '1798135200',
    '2026-12-24',
    '2026-12-24T18:00:00',
    '2026-12-24 18:00:00Z',
    '2026-12-24T18:00Z',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-12-24T24:00:00Z',
    '2026-12-24T18:60:00Z',
    '2026-12-24T18:00:61Z',
    '2026-12-24T18:00:00+24:00',
    '2026-12-24T18:00:00Z ',
    '+2026-12-24T18:00:00Z',
    '2026-12-24T18:00:00.Z',
  ])
    test(`not ${JSON.stringify(text)}`, () => assert.equal(parseDateTime(text), undefined));

  test('reads what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) =>
        assert.equal(parseDateTime(formatDateTime(seconds * SECOND)), seconds * SECOND),
      ),
    );
  });
});

describe('HOLDFOR and HOLDUNTIL', () => {
  test('seconds', () => assert.deepEqual(parseHoldFor('3600'), { ok: true, value: { kind: 'for', duration: HOUR } }));
  for (const [value, duration] of [
    ['1', SECOND],
    ['999999999', 999_999_999 * SECOND],
  ] as const)
    test(`HOLDFOR=${value}`, () =>
      assert.deepEqual(parseHoldFor(value), { ok: true, value: { kind: 'for', duration } }));
  test('a time', () =>
    assert.deepEqual(parseHoldUntil('2026-12-24T18:00:00Z'), { ok: true, value: { kind: 'until', at: EVE } }));
  for (const value of [undefined, '', '0', '00', '060', '-1', '1.5', '1234567890', '1h'])
    test(`HOLDFOR=${String(value)} is refused`, () => assert.equal(parseHoldFor(value).ok, false));
  for (const value of [undefined, '', '3600', 'tomorrow'])
    test(`HOLDUNTIL=${String(value)} is refused`, () => assert.equal(parseHoldUntil(value).ok, false));
});

describe('BY', () => {
  const good = [
    ['120;R', { within: 2 * MINUTE, mode: 'return', trace: false }],
    ['+120;rt', { within: 2 * MINUTE, mode: 'return', trace: true }],
    ['0;N', { within: 0, mode: 'notify', trace: false }],
    ['-60;nT', { within: -MINUTE, mode: 'notify', trace: true }],
  ] as const;
  for (const [text, want] of good) test(text, () => assert.deepEqual(parseDeliverBy(text), { ok: true, value: want }));
  for (const text of [
    undefined,
    '',
    '120',
    '120;',
    '120;X',
    '120;RR',
    '120;TR',
    '0;R',
    '-1;R',
    '1234567890;R',
    '1.5;N',
  ])
    test(`not ${String(text)}`, () => assert.equal(parseDeliverBy(text).ok, false));

  test('is passed on with what is left of the time', () => {
    const by = { at: EVE, mode: 'return', trace: true } as const;
    assert.equal(formatDeliverBy(by, EVE - MINUTE - 1), '60;RT');
    assert.equal(formatDeliverBy({ ...by, mode: 'notify', trace: false }, EVE + MINUTE), '-60;N');
    assert.equal(formatDeliverBy(by, 0), '999999999;RT');
  });
});
