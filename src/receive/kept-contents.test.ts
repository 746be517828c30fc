import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type QueueId } from '../mail/queue-id.ts';
import { SEGMENT_OCTETS } from '../lib/segment-pool.ts';
import { KEPT_TIME, KeptContents } from './kept-contents.ts';
import { OctetBudget } from './octet-budget.ts';

const [A, B, C] = ['a', 'b', 'c'] as unknown as [QueueId, QueueId, QueueId];

function world(limit = 100_000) {
  const clock = { at: 0, now: () => 0, monotonic: () => clock.at };
  const budget = new OctetBudget(limit);
  const kept = new KeptContents(budget, clock);
  const keep = (id: QueueId, octets: number): void => {
    kept.begin(id);
    assert.ok(budget.take(octets));
    kept.add(id, [Buffer.alloc(octets, 'x')], octets);
  };
  return { clock, budget, kept, keep };
}

describe('content is lent', () => {
  test('whole, and its octets are given back when it is over', () => {
    const { budget, kept, keep } = world();
    keep(A, 1000);
    assert.equal(kept.lend(A, 1000)?.pieces[0]?.length, 1000);
    assert.equal(budget.used, 1000);
    kept.giveBack(A);
    assert.equal(budget.used, 0);
    assert.equal(kept.lend(A, 1000), undefined);
  });

  test('never in part', () => {
    const { kept, keep } = world();
    keep(A, 1000);
    assert.equal(kept.lend(A, 1001), undefined);
  });

  test('to several at once, and stays for the last of them', () => {
    const { budget, kept, keep } = world();
    keep(A, 1000);
    kept.lend(A, 1000);
    kept.lend(A, 1000);
    kept.giveBack(A);
    kept.forget(A);
    assert.equal(budget.used, 1000);
    kept.giveBack(A);
    assert.equal(budget.used, 0);
  });

  test('giving back what is not lent is a bug that shows', () => {
    assert.throws(() => world().kept.giveBack(A), /not lent/);
  });
});

describe('it makes room', () => {
  test('when more than half of the budget would be taken: the newest first, and never what is lent', () => {
    const { budget, kept, keep } = world();
    keep(A, 6000);
    keep(B, 6000);
    keep(C, 6000);
    kept.lend(C, 6000);
    assert.ok(budget.take(36_000));
    assert.equal(kept.lend(B, 6000), undefined);
    assert.equal(budget.used, 36_000 + 12_000);
    assert.ok(kept.lend(A, 6000) !== undefined);
    assert.ok(kept.lend(C, 6000) !== undefined);
  });

  test('in time, when nobody delivers it', () => {
    const { clock, budget, kept, keep } = world();
    keep(A, 1000);
    clock.at = KEPT_TIME;
    kept.begin(B);
    assert.equal(budget.used, 0);
  });

  test('when it is more than a share of the budget, and what follows of it is not kept either', () => {
    const { budget, kept } = world();
    kept.begin(A);
    for (let i = 0; i < 3; i += 1) {
      assert.ok(budget.take(5000));
      kept.add(A, [Buffer.alloc(5000)], 5000);
    }
    assert.equal(budget.used, 0);
    assert.equal(kept.lend(A, 15_000), undefined);
  });

  test('at once, when the budget is tight', () => {
    const { budget, kept, keep } = world();
    budget.take(60_000);
    keep(A, 1000);
    assert.equal(kept.lend(A, 1000), undefined);
    assert.equal(budget.used, 60_000);
  });
});

describe('memory is used again', () => {
  const cases = [
    ['when nobody read it', 0, 0, true],
    ['when all that read it are done, and their writes', 2, 2, true],
    ['but not while a write may be under way', 2, 1, false],
  ] as const;
  for (const [name, begun, ended, again] of cases)
    test(name, () => {
      const { budget, kept } = world(100 * SEGMENT_OCTETS);
      const segment = kept.segments.take();
      kept.begin(A);
      budget.take(SEGMENT_OCTETS);
      kept.add(A, [segment], SEGMENT_OCTETS);
      const lent = kept.lend(A, SEGMENT_OCTETS);
      assert.ok(lent !== undefined);
      lent.uses.begun = begun;
      lent.uses.ended = ended;
      kept.giveBack(A);
      assert.equal(kept.segments.take() === segment, again);
    });

  test('at once, where it is not kept', () => {
    const { budget, kept } = world(100 * SEGMENT_OCTETS);
    const segment = kept.segments.take();
    budget.take(SEGMENT_OCTETS);
    kept.add(A, [segment], SEGMENT_OCTETS);
    assert.equal(budget.used, 0);
    assert.equal(kept.segments.take(), segment);
  });
});
