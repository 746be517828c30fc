import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatDate, parseDate } from './date.ts';

const AT = Date.UTC(2026, 10, 3, 4, 5, 6, 789);

describe('formatDate', () => {
  const cases = [
    { name: 'UTC', at: AT, zone: 0, want: 'Tue, 3 Nov 2026 04:05:06 +0000' },
    { name: 'east of Greenwich', at: AT, zone: 330, want: 'Tue, 3 Nov 2026 09:35:06 +0530' },
    { name: 'west of Greenwich, the day before', at: AT, zone: -300, want: 'Mon, 2 Nov 2026 23:05:06 -0500' },
    { name: 'the beginning of time', at: 0, zone: 0, want: 'Thu, 1 Jan 1970 00:00:00 +0000' },
    { name: 'a leap day', at: Date.UTC(2028, 1, 29), zone: 0, want: 'Tue, 29 Feb 2028 00:00:00 +0000' },
    { name: 'a zone that is none', at: 0, zone: Number.NaN, want: 'Thu, 1 Jan 1970 00:00:00 +0000' },
    { name: 'a zone too far away', at: 0, zone: 100_000, want: 'Thu, 1 Jan 1970 14:00:00 +1400' },
    { name: 'no time at all', at: Number.NaN, zone: 0, want: 'Thu, 1 Jan 1970 00:00:00 +0000' },
    { name: 'after the last year', at: Infinity, zone: 0, want: 'Fri, 31 Dec 9999 23:59:59 +0000' },
    { name: 'before the first year', at: -Infinity, zone: 0, want: 'Mon, 1 Jan 1900 00:00:00 +0000' },
  ];
  for (const { name, at, zone, want } of cases) test(name, () => assert.equal(formatDate(at, zone), want));

  test('every date reads back as the same second, whatever the zone', () => {
    const instants = fc.integer({ min: 0, max: Date.UTC(9999, 11, 30) });
    fc.assert(
      fc.property(instants, fc.integer({ min: -840, max: 840 }), (at, zone) => {
        assert.equal(Date.parse(formatDate(at, zone)), Math.floor(at / 1000) * 1000);
      }),
    );
  });
});

describe('dates that are read', () => {
  const EVE = Date.UTC(2026, 11, 24, 18);
  for (const text of [
    'Thu, 24 Dec 2026 18:00:00 +0000',
    'Mon, 24 Dec 2026 18:00:00 GMT',
    '24 Dec 2026 13:00 -0500',
    'Thu,  24  Dec 2026 19:30:00  +0130',
  ])
    test(text, () => assert.equal(parseDate(text), EVE));
  for (const text of [
    '',
    '24 Dec 26 18:00:00 +0000',
    '31 Feb 2026 18:00:00 +0000',
    '24 Foo 2026 18:00:00 +0000',
    '24 Dec 2026 25:00:00 +0000',
    '24 Dec 2026 18:00:00',
    '24 Dec 2026 18:00:00 EST',
    '24 Dec 1899 18:00:00 +0000',
    '24 Dec 2026 18:00:00 +0000 (noon)',
  ])
    test(`not ${JSON.stringify(text)}`, () => assert.equal(parseDate(text), undefined));

  test('what is written is read', () => {
    for (const at of [0, EVE, Date.UTC(2028, 1, 29, 23, 59, 59)]) assert.equal(parseDate(formatDate(at)), at);
    assert.equal(parseDate(formatDate(EVE, -330)), EVE);
  });
});
