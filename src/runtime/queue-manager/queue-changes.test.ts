/** Operators' changes on the memory spool, against attempts that come in between. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Rule } from '../../mail/rule.ts';
import { MINUTE } from '../../lib/time.ts';
import { entryOf, recipientOf } from '../../../test/lib/entries.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { messageOf, type Parts, queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { EntryLocks } from './entry-locks.ts';
import { QueueChanges, targetText } from './queue-changes.ts';

interface World extends Parts {
  readonly changes: QueueChanges;
  readonly locks: EntryLocks;
  readonly settled: [EntryId, readonly Entry[]][];
  readonly ruled: (readonly Rule[])[];
  readonly noticed: () => number;
  /** What the scheduler does when it hears of a change. */
  onSettled: (entry: EntryId, next: readonly Entry[]) => void;
}

const idOfEntry = (n: number): EntryId => `${idOf(n)}/0`;

async function world(entries: readonly Entry[] = []): Promise<World> {
  const parts = queueParts();
  const locks = new EntryLocks();
  let noticed = 0;
  const w: World = Object.assign(parts, {
    locks,
    settled: [],
    ruled: [],
    noticed: () => noticed,
    onSettled: () => undefined,
    changes: new QueueChanges(parts.context, {
      locks,
      settled: (entry, next) => {
        w.settled.push([entry, next]);
        w.onSettled(entry, next);
      },
      rules: (rules) => void w.ruled.push(rules),
      inFlightUnder: (epoch) => epoch * 10,
      noticed: () => (noticed += 1),
    }),
  });
  for (const [, own] of Map.groupBy(entries, ({ message }) => message)) await w.spool.accept([messageOf(own)], 1);
  return w;
}

const a = entryOf({ id: idOfEntry(1), routingDomain: 'a.test', dueAt: 9e12 });
const b = entryOf({ id: idOfEntry(2), routingDomain: 'b.test', dueAt: 9e12 });

describe('a lock', () => {
  test('that an attempt takes in the moment of the change is not given back by the change', async () => {
    const w = await world([a, b]);
    // The scheduler dispatches at once what has become due.
    w.onSettled = (entry) => assert.equal(w.locks.take(entry), true);
    assert.deepEqual(await w.changes.retry({}), { entries: 2, inFlight: 0 });
    assert.deepEqual([w.locks.has(a.id), w.locks.has(b.id)], [true, true]);
  });

  test('that an attempt holds leaves the entry alone, and it is counted', async () => {
    const w = await world([a, b]);
    w.locks.take(a.id);
    assert.deepEqual(await w.changes.remove({}, { by: 'me', tell: false }), { entries: 1, inFlight: 1 });
    assert.deepEqual(await w.spool.entry(a.id), { ...a });
    assert.equal(w.locks.has(a.id), true);
    assert.equal(w.locks.has(b.id), false);
  });

  test('is given back when nothing is to be changed, and whoever wanted the entry hears of it', async () => {
    const w = await world([a]);
    const changing = w.changes.release({}, 'me'); // It is not held: there is nothing to do.
    while (!w.locks.has(a.id)) await Promise.resolve();
    assert.equal(w.locks.take(a.id), false);
    assert.deepEqual(await changing, { entries: 0, inFlight: 0 });
    assert.equal(w.locks.has(a.id), false);
    assert.deepEqual(
      w.settled.map(([id]) => id),
      [a.id],
    );
  });

  test('is given back when the store fails', async () => {
    const w = await world([a]);
    await w.spool.close();
    w.spool.entries = async () => ({ rows: [a], next: undefined });
    await assert.rejects(w.changes.retry({}), /closed/);
    assert.equal(w.locks.size, 0);
  });
});

describe('a clock that was set back', () => {
  test('makes nothing wait longer, nothing that is due wait, and gives what came from the future its age', async () => {
    const w = await world();
    const now = w.context.clock.now();
    const HOURS = 60 * MINUTE;
    const waits = entryOf({
      id: idOfEntry(1),
      acceptedAt: now - 5,
      dueAt: now + 75 * MINUTE,
      lastAttemptAt: now + HOURS,
    });
    const isDue = entryOf({ id: idOfEntry(2), acceptedAt: now - 5, dueAt: now - 1 });
    const soon = entryOf({ id: idOfEntry(3), acceptedAt: now - 5, dueAt: now + MINUTE });
    const future = entryOf({ id: idOfEntry(4), acceptedAt: now + HOURS, dueAt: now + 61 * MINUTE });
    for (const entry of [waits, isDue, soon, future]) await w.spool.accept([messageOf([entry])], 1);
    assert.deepEqual(await w.changes.clockSetBack(HOURS), { entries: 3, inFlight: 0 });
    assert.deepEqual(await w.spool.entry(waits.id), { ...waits, dueAt: now + 15 * MINUTE, lastAttemptAt: now });
    assert.deepEqual(await w.spool.entry(isDue.id), isDue);
    assert.deepEqual(await w.spool.entry(soon.id), { ...soon, dueAt: now });
    const { expiresAt } = future;
    assert.deepEqual(await w.spool.entry(future.id), {
      ...{ ...future, acceptedAt: now, expiresAt: expiresAt - HOURS, dueAt: now + MINUTE },
    });
  });
});

describe('what was settled between the listing and the lock', () => {
  test('is not brought back', async () => {
    const w = await world([a]);
    const { entries } = w.spool;
    w.spool.entries = async (after, limit) => {
      const page = await entries.call(w.spool, after, limit);
      await w.settler.settle({ remove: [a.id] });
      return page;
    };
    assert.deepEqual(await w.changes.hold({}, { by: 'me', reason: '' }), { entries: 0, inFlight: 0 });
    assert.equal(await w.spool.entry(a.id), undefined);
    assert.equal(w.locks.size, 0);
  });
});

describe('a change of everything', () => {
  test('goes through more entries than a page, each once', async () => {
    const many = Array.from({ length: 1203 }, (_, i) => entryOf({ id: idOfEntry(i), dueAt: 9e12 }));
    const w = await world(many);
    assert.deepEqual(await w.changes.hold({}, { by: 'me', reason: 'why' }), { entries: 1203, inFlight: 0 });
    assert.equal(new Set(w.settled.map(([id]) => id)).size, 1203);
    const { rows } = await w.spool.entries(undefined, 1000);
    assert.ok(rows.every(({ lane, reason }) => lane === 'held' && reason === 'held'));
    assert.deepEqual(await w.changes.hold({}, { by: 'me', reason: 'why' }), { entries: 0, inFlight: 0 });
  });

  test('releases what was held with a clean slate: fresh when never tried, no crashes', async () => {
    const held = { lane: 'held', reason: 'crashLoop', crashes: 2 } as const;
    const w = await world([
      entryOf({ ...held, id: idOfEntry(1) }),
      entryOf({ ...held, id: idOfEntry(2), attempts: 3 }),
    ]);
    await w.changes.release({}, 'me');
    const { rows } = await w.spool.entries(undefined, 10);
    const now = w.clock.now();
    assert.deepEqual(
      rows.map(({ lane, crashes, dueAt }) => ({ lane, crashes, dueAt })),
      [
        { lane: 'fresh', crashes: 0, dueAt: now },
        { lane: 'deferred', crashes: 0, dueAt: now },
      ],
    );
  });

  test('removes, and leaves a notice for each recipient only when the senders are to be told', async () => {
    for (const tell of [true, false]) {
      const two = { ...a, recipients: [recipientOf('x@a.test', 0), recipientOf('y@a.test', 1)] };
      const w = await world([two]);
      assert.deepEqual(await w.changes.remove({}, { by: 'me', tell }), { entries: 1, inFlight: 0 });
      assert.equal((await w.spool.notices(undefined, 10)).rows.flat().length, tell ? 2 : 0);
      assert.equal(w.noticed(), 1);
      const events = (await w.spool.outbox(0, 10)).rows.map(({ lines }) => lines).join('');
      assert.match(events, /"kind":"removed"/);
    }
  });
});

describe('a list', () => {
  test('is cut into pages that lead to each other', async () => {
    const w = await world(Array.from({ length: 7 }, (_, i) => entryOf({ id: idOfEntry(i) })));
    const seen: EntryId[] = [];
    let after: EntryId | undefined;
    do {
      const page = await w.changes.list({}, after, 3);
      assert.ok(page.rows.length <= 3);
      seen.push(...page.rows.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    assert.equal(new Set(seen).size, 7);
    assert.equal(seen.length, 7);
  });

  test('by message reads that message alone', async () => {
    const w = await world([a, b]);
    w.spool.entries = () => assert.fail('it scanned the queue');
    assert.deepEqual((await w.changes.list({ id: idOf(2) }, undefined, 10)).rows, [b]);
    assert.deepEqual((await w.changes.list({ id: idOfEntry(2) }, undefined, 10)).rows, [b]);
    assert.deepEqual((await w.changes.list({ id: `${idOf(2)}/7` }, undefined, 10)).rows, []);
  });
});

describe('rules', () => {
  const suspend = (domain: string, until?: number) => ({
    ...{ kind: 'suspend' as const, target: { domain }, reason: 'why', setBy: 'me' },
    ...(until === undefined ? {} : { until }),
  });

  test('added side by side have ids and epochs of their own, and both are kept', async () => {
    const w = await world();
    const added = await Promise.all([w.changes.addRule(suspend('a.test')), w.changes.addRule(suspend('b.test'))]);
    assert.deepEqual(
      added.map(({ rule, inFlight }) => [rule.epoch, inFlight]),
      [
        [1, 10],
        [2, 20],
      ],
    );
    assert.equal((await w.spool.rules()).length, 2);
    assert.equal(w.changes.rules.length, 2);
    assert.equal(w.ruled.at(-1)!.length, 2);
  });

  test('that ended by themselves are not listed, and cleared away with the next one', async () => {
    const w = await world();
    await w.changes.addRule(suspend('a.test', w.clock.now() + MINUTE));
    assert.equal(w.changes.rules.length, 1);
    w.clock.advance(MINUTE);
    assert.equal(w.changes.rules.length, 0);
    await w.changes.addRule(suspend('b.test'));
    assert.deepEqual(
      (await w.spool.rules()).map(({ target }) => target.domain),
      ['b.test'],
    );
  });

  test('of an earlier run are read, and the next one is newer than they', async () => {
    const w = await world();
    await w.changes.addRule(suspend('a.test'));
    const again = new QueueChanges(w.context, {
      ...{ locks: new EntryLocks(), settled: () => undefined, inFlightUnder: () => 0, noticed: () => undefined },
      rules: (rules) => void w.ruled.push(rules),
    });
    await again.load();
    assert.equal(w.ruled.at(-1)!.length, 1);
    assert.equal((await again.addRule(suspend('b.test'))).rule.epoch, 2);
  });

  test('end by id or target, with an event, and only once', async () => {
    const w = await world();
    const { rule } = await w.changes.addRule(suspend('a.test'));
    const ended = await w.changes.removeRules(({ id }) => id === rule.id, 'me');
    assert.deepEqual(ended, [rule]);
    assert.deepEqual(await w.changes.removeRules(({ id }) => id === rule.id, 'me'), []);
    await turns();
    const events = (await w.spool.outbox(0, 10)).rows.map(({ lines }) => lines).join('');
    assert.match(events, /"kind":"suspended"[\s\S]*"kind":"resumed"/);
    assert.deepEqual(await w.spool.rules(), []);
  });

  test('say what they are about', () => {
    assert.equal(targetText({}), 'everything');
    assert.equal(targetText({ domain: 'a.test', tenant: 't' }), 'domain=a.test tenant=t');
  });
});
