import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dueForDsn, MAX_NOTICE_AGE } from './when.ts';

describe('dueForDsn', () => {
  const now = 1_000_000;
  const cases = [
    { name: 'no entry left: now', ages: [0], open: 0, want: { kind: 'now' } },
    {
      name: 'others may join: a minute after the notice',
      ages: [0],
      open: 1,
      want: { kind: 'at', at: now + MAX_NOTICE_AGE },
    },
    { name: 'the oldest counts', ages: [0, 50_000, 10_000], open: 3, want: { kind: 'at', at: now + 10_000 } },
    { name: 'it has waited long enough', ages: [0, MAX_NOTICE_AGE], open: 3, want: { kind: 'now' } },
    { name: 'just not yet', ages: [MAX_NOTICE_AGE - 1], open: 1, want: { kind: 'at', at: now + 1 } },
    {
      name: 'a clock set back delays a minute at most',
      ages: [-9e9],
      open: 1,
      want: { kind: 'at', at: now + MAX_NOTICE_AGE },
    },
  ];
  for (const { name, ages, open, want } of cases) {
    test(name, () => {
      const [first, ...rest] = ages.map((age) => ({ at: now - age }));
      assert.deepEqual(dueForDsn([first!, ...rest], open, now), want);
    });
  }
});
