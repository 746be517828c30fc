import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { HOLD_REASONS, type HoldReason } from '../mail/hold-reason.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { DEFAULT_RETRY, nextStep, warnAt, type RetryInput } from './retry.ts';

const input: RetryInput = {
  class: 'normal',
  reason: 'transient',
  attempts: 1,
  expiresAt: 5 * DAY,
  startedAt: 0,
  now: 0,
  wait: undefined,
  jitter: 0,
  clock: 'steady',
};
const retryAt = (at: number) => ({ kind: 'retry', at });

describe('nextStep', () => {
  const cases: readonly { name: string; given: Partial<RetryInput>; want: unknown }[] = [
    { name: 'the first retry waits the first delay', given: {}, want: retryAt(15 * MINUTE) },
    { name: 'each retry doubles the delay', given: { attempts: 3, now: HOUR }, want: retryAt(2 * HOUR) },
    { name: 'the delay has a ceiling', given: { attempts: 4000, now: DAY }, want: retryAt(DAY + 4 * HOUR) },
    { name: 'jitter adds at most a tenth', given: { jitter: 1 }, want: retryAt(16.5 * MINUTE) },
    { name: 'a greylist is tried again soon', given: { reason: 'greylisted' }, want: retryAt(6 * MINUTE) },
    { name: 'a full mailbox is left alone', given: { reason: 'mailboxFull' }, want: retryAt(HOUR) },
    { name: 'a dead host is tried again soon', given: { reason: 'connection' }, want: retryAt(5 * MINUTE) },
    {
      name: 'a class may have a schedule of its own',
      given: { reason: 'connection', class: 'transactional' },
      want: retryAt(2 * MINUTE),
    },
    { name: 'a named wait is obeyed', given: { wait: 300 * SECOND }, want: retryAt(5 * MINUTE) },
    { name: 'a named wait is obeyed up to a day', given: { wait: 3 * DAY }, want: retryAt(DAY) },
    { name: 'a wait of a second is not believed', given: { wait: SECOND }, want: retryAt(30 * SECOND) },
    { name: 'and less each time', given: { wait: SECOND, attempts: 10 }, want: retryAt(5 * MINUTE) },
    {
      name: 'the last attempt comes when the time is up',
      given: { attempts: 9, now: 5 * DAY - HOUR },
      want: retryAt(5 * DAY),
    },
    {
      name: 'an attempt is made when the sender is to hear that mail is late',
      given: { attempts: 9, now: 3.75 * HOUR, warnAt: 4 * HOUR },
      want: retryAt(4 * HOUR),
    },
    {
      name: 'that is no reason to wait longer',
      given: { attempts: 1, now: HOUR, warnAt: 4 * HOUR },
      want: retryAt(1.25 * HOUR),
    },
    {
      name: 'nor to come back sooner than the receiver asks for',
      given: { now: 3.75 * HOUR, warnAt: 4 * HOUR, wait: HOUR },
      want: retryAt(4.75 * HOUR),
    },
    {
      name: 'nor, when it is past, at once',
      given: { attempts: 9, now: 4 * HOUR, warnAt: 4 * HOUR },
      want: retryAt(8 * HOUR),
    },
    {
      name: 'nor a moment later',
      given: { attempts: 9, now: 4 * HOUR - 1, warnAt: 4 * HOUR },
      want: retryAt(4 * HOUR - 1 + MINUTE),
    },
    {
      name: 'but never at once',
      given: { attempts: 9, startedAt: 5 * DAY - 2, now: 5 * DAY - 1 },
      want: retryAt(5 * DAY - 1 + MINUTE),
    },
    {
      name: 'an attempt begun after the end is the last',
      given: { startedAt: 5 * DAY, now: 5 * DAY },
      want: { kind: 'expire' },
    },
    {
      name: 'one begun before it and ended after it is not',
      given: { startedAt: 5 * DAY - 1, now: 5 * DAY + HOUR },
      want: retryAt(5 * DAY + HOUR + MINUTE),
    },
    {
      name: 'nothing expires by a clock that jumped',
      given: { startedAt: 9 * DAY, now: 9 * DAY, clock: 'moved' },
      want: retryAt(9 * DAY + MINUTE),
    },
  ];
  for (const { name, given, want } of cases)
    test(name, () => assert.deepEqual(nextStep(DEFAULT_RETRY, { ...input, ...given }), want));

  test('two tries in the first hour, and expiry between 5 days and 5 days 4.5 hours', () => {
    for (const priority of PRIORITY_CLASSES) {
      let now = 0;
      const times = [0];
      for (let attempts = 1; ; attempts++) {
        const step = nextStep(DEFAULT_RETRY, { ...input, class: priority, attempts, startedAt: now, now, jitter: 1 });
        if (step.kind === 'expire') break;
        now = step.at;
        times.push(now);
      }
      assert.ok(times.filter((at) => at > 0 && at < HOUR).length >= 2, 'two more in the first hour');
      assert.ok(now >= 5 * DAY && now <= 5 * DAY + MINUTE, `${now}`);
      assert.ok(times.length > 30);
    }
  });

  test('always later than now, and never later than the end or a minute from now', () => {
    const reasons = Object.keys(HOLD_REASONS) as HoldReason[];
    fc.assert(
      fc.property(
        fc.record({
          reason: fc.constantFrom(...reasons),
          class: fc.constantFrom(...PRIORITY_CLASSES),
          attempts: fc.nat(10_000),
          wait: fc.option(fc.nat(10 * DAY), { nil: undefined }),
          now: fc.nat(5 * DAY - 1),
        }),
        (given) => {
          const step = nextStep(DEFAULT_RETRY, { ...input, ...given, startedAt: given.now });
          assert.ok(step.kind === 'retry' && step.at > given.now && step.at <= Math.max(5 * DAY, given.now + MINUTE));
        },
      ),
    );
  });
});

describe('warnAt', () => {
  const entry = { class: 'normal', acceptedAt: HOUR, warned: false } as const;
  test('four hours after acceptance', () => assert.equal(warnAt(DEFAULT_RETRY, entry), 5 * HOUR));
  test('once', () => assert.equal(warnAt(DEFAULT_RETRY, { ...entry, warned: true }), undefined));
  test('not for bulk', () => assert.equal(warnAt(DEFAULT_RETRY, { ...entry, class: 'bulk' }), undefined));
});
