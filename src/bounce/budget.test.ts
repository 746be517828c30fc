import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR, MINUTE } from '../lib/time.ts';
import { type Domain } from '../mail/domain.ts';
import { type Mailbox } from '../mail/path.ts';
import { DsnBudget } from './budget.ts';

const mailbox = (text: string): Mailbox => {
  const [localPart, domain] = text.split('@');
  return { localPart: localPart!, domain: domain as Domain };
};
const dsn = (to = 'ann@a.test', recipients = ['bob@b.test']) => ({ to: mailbox(to), tenant: 't', recipients });

describe('DsnBudget', () => {
  test('the first of an hour are sent, the rest withheld', () => {
    const budget = new DsnBudget({ perHour: 2, maxSenders: 10 });
    assert.deepEqual(
      [1, 2, 3, 4].map((at) => budget.take(dsn(), at)),
      ['send', 'send', 'withhold', 'withhold'],
    );
  });

  test('one sender does not use up what another may get', () => {
    const budget = new DsnBudget({ perHour: 1, maxSenders: 10 });
    budget.take(dsn('a@x.test'), 0);
    assert.equal(budget.take(dsn('b@x.test'), 0), 'send');
    assert.equal(budget.take(dsn('A@X.test'), 0), 'withhold');
  });

  test('what was withheld is told once, when the hour is over', () => {
    const budget = new DsnBudget({ perHour: 1, maxSenders: 10 });
    budget.take(dsn(), 5);
    budget.take(dsn('ann@a.test', ['x@b.test', 'y@b.test']), 6);
    budget.take(dsn('ann@a.test', ['z@b.test']), 7);
    assert.equal(budget.nextAt(), 5 + HOUR);
    assert.deepEqual(budget.summaries(5 + HOUR - 1), []);
    assert.deepEqual(budget.summaries(5 + HOUR), [
      {
        to: mailbox('ann@a.test'),
        tenant: 't',
        since: 5,
        dsns: 2,
        recipients: 3,
        examples: ['x@b.test', 'y@b.test', 'z@b.test'],
      },
    ]);
    assert.deepEqual(budget.summaries(5 + 2 * HOUR), []);
    assert.equal(budget.nextAt(), undefined);
  });

  test('a sender who got everything gets no summary', () => {
    const budget = new DsnBudget({ perHour: 5, maxSenders: 10 });
    budget.take(dsn(), 0);
    assert.deepEqual(budget.summaries(HOUR), []);
  });

  test('a new hour that begins by itself keeps the summary of the old', () => {
    const budget = new DsnBudget({ perHour: 1, maxSenders: 10 });
    budget.take(dsn(), 0);
    budget.take(dsn(), 1);
    assert.equal(budget.take(dsn(), HOUR), 'send');
    assert.equal(budget.nextAt(), 0);
    assert.deepEqual(
      budget.summaries(HOUR).map(({ dsns }) => dsns),
      [1],
    );
  });

  test('senders are forgotten before memory grows, but what was withheld from them is not', () => {
    const budget = new DsnBudget({ perHour: 0, maxSenders: 3 });
    for (let i = 0; i < 10; i++) budget.take(dsn(`s${i}@a.test`), i);
    assert.equal(budget.summaries(10).length, 7);
    assert.equal(budget.summaries(10, 'all').length, 3);
  });

  test('examples are bounded, counts are not', () => {
    const budget = new DsnBudget({ perHour: 0, maxSenders: 3 });
    for (let i = 0; i < 500; i++) budget.take(dsn('a@a.test', [`r${i}@b.test`, `q${i}@b.test`]), 0);
    const [summary] = budget.summaries(HOUR);
    assert.deepEqual([summary?.recipients, summary?.examples.length], [1000, 20]);
  });

  test('a clock set far back does not hold the cap for ever', () => {
    const budget = new DsnBudget({ perHour: 1, maxSenders: 3 });
    budget.take(dsn(), 100 * HOUR);
    assert.equal(budget.take(dsn(), 100 * HOUR - MINUTE), 'withhold');
    assert.equal(budget.take(dsn(), HOUR), 'send');
  });
});
