import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { type KeptPolicy, stsStep } from './sts-step.ts';

const WEEK = (7 * DAY) / SECOND;
const NOW = 1_000 * DAY;

const kept = (age: number, maxAge = WEEK): KeptPolicy => ({
  id: 'a',
  fetchedAt: NOW - age,
  policy: { mode: 'enforce', mx: ['mx.b.test'], maxAge },
});
const found = (id: string) => ({ kind: 'found', id }) as const;
const none = { kind: 'none' } as const;
const invalid = { kind: 'invalid', reason: 'two' } as const;

describe('what to do about a policy', () => {
  const cases = [
    { name: 'no record, nothing kept', record: none, want: 'none' },
    { name: 'a record, nothing kept', record: found('a'), want: 'fetch' },
    { name: 'the look-up failed, nothing kept', record: undefined, want: 'none' },
    { name: 'a record that is not valid, nothing kept', record: invalid, want: 'none' },
    { name: 'kept, and the record says the same', record: found('a'), kept: kept(HOUR), want: 'use' },
    { name: 'kept, and the record says another id', record: found('b'), kept: kept(HOUR), want: 'fetch' },
    { name: 'kept, and the record is gone', record: none, kept: kept(HOUR), want: 'use' },
    { name: 'kept, and there are two records', record: invalid, kept: kept(HOUR), want: 'use' },
    { name: 'kept, and the look-up failed', record: undefined, kept: kept(6 * DAY), want: 'use' },
    { name: 'kept for a day', record: found('a'), kept: kept(DAY), want: 'refresh' },
    { name: 'half of a short time is over', record: found('a'), kept: kept(HOUR, 7200), want: 'refresh' },
    { name: 'its time is up', record: found('a'), kept: kept(8 * DAY), want: 'fetch' },
    { name: 'its time is up and the record is gone', record: none, kept: kept(8 * DAY), want: 'none' },
    { name: 'a fetch failed just now, nothing kept', record: found('a'), failedAt: NOW - MINUTE, want: 'none' },
    {
      name: 'a fetch failed just now, kept',
      record: found('b'),
      kept: kept(HOUR),
      failedAt: NOW - MINUTE,
      want: 'use',
    },
    { name: 'a fetch failed some minutes ago', record: found('a'), failedAt: NOW - 5 * MINUTE, want: 'fetch' },
    { name: 'a max_age of nothing', record: found('a'), kept: kept(0, 0), want: 'fetch' },
    { name: 'the clock was set back', record: found('a'), kept: kept(-HOUR), want: 'use' },
    { name: 'a failure that a clock set back puts far ahead', record: found('a'), failedAt: NOW + DAY, want: 'fetch' },
  ];
  for (const { name, record, want, kept: policy, failedAt } of cases) {
    test(name, () => assert.equal(stsStep({ kept: policy, record, failedAt, now: NOW }), want));
  }
});
