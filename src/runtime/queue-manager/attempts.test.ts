/** Attempts from dispatch to settlement, with what comes in between: operators, deaths, clocks, stale pages. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { delivered, entryOf, ruleOf, undelivered } from '../../../test/lib/entries.ts';
import { messageOf, queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { HOUR, MINUTE, SECOND } from '../../lib/time.ts';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Outcome } from '../../mail/outcome.ts';
import { type Route } from '../../mail/route.ts';
import { type Dispatch } from '../../queue/dispatch.ts';
import { type Finished } from '../../queue/scheduling.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { type KeptDispatch } from '../messages.ts';
import { Attempts, type DispatchAction } from './attempts.ts';
import { EntryLocks } from './entry-locks.ts';
import { HandedContent } from './handed-content.ts';
import { RecentMessages } from './recent-messages.ts';

const MX: Route = { name: 'mx', kind: 'mx', match: {}, port: 25, tls: 'opportunistic' };
const ID: EntryId = `${idOf(1)}/0`;

async function world(changes: Partial<Entry> = {}, handedOctets = 1e6) {
  const parts = queueParts(new MemorySpool());
  const recent = new RecentMessages(1e6);
  const sent: Dispatch[] = [];
  const sentKept: { readonly worker: number; readonly dispatch: KeptDispatch; readonly last: boolean }[] = [];
  const forgotten: [number, string][] = [];
  const closed: number[] = [];
  const finished: Finished[] = [];
  const settled: [EntryId, readonly Entry[]][] = [];
  const locks = new EntryLocks();
  const gone = { worker: false };
  const over: string[] = [];
  let noticed = 0;
  const handed = new HandedContent(handedOctets);
  const attempts = new Attempts(
    parts.context,
    { recent, handed },
    {
      send: (_, dispatch) => void sent.push(dispatch),
      sendKept: (worker, dispatch, last) => void sentKept.push({ worker, dispatch, last }),
      forget: (worker, message) => void forgotten.push([worker, message]),
      isOpen: () => !gone.worker,
      closeSlot: (_, slot) => void closed.push(slot),
      finished: (f) => void finished.push(f),
      settled: (entry, next) => void settled.push([entry, next]),
      noticed: () => (noticed += 1),
      over: (message) => void over.push(message),
      locks,
    },
  );
  const now = parts.clock.now();
  const entry = entryOf({ id: ID, dueAt: now, acceptedAt: now, expiresAt: now + 5 * 24 * HOUR, ...changes });
  const message = messageOf([entry]);
  await parts.spool.accept([message], 1);
  const action = (given: Entry = entry): DispatchAction => ({
    ...{ kind: 'dispatch', entry: given, slot: 7, worker: 0, path: 'p', site: 's', route: MX },
    hosts: [{ name: 's', preference: 0 }],
  });
  const report = (outcome: Outcome, id = sent.at(-1)!.id): void =>
    attempts.reported({
      ...{ id, outcomes: entry.recipients.map(() => outcome), connection: 'open', host: 's', address: '192.0.2.1' },
      ...{ tls: undefined, reused: false, refused: false, connectTime: 1, transmitTime: 1 },
    });
  const stored = (): Promise<Entry | undefined> => parts.spool.entry(ID);
  return {
    ...{
      ...parts,
      attempts,
      recent,
      sent,
      sentKept,
      forgotten,
      closed,
      gone,
      over,
      finished,
      settled,
      locks,
      entry,
      message,
      action,
      report,
      stored,
    },
    noticed: () => noticed,
  };
}

describe('a dispatch', () => {
  test('of a retry does not read content that the worker may not hold', async () => {
    const w = await world({}, 0);
    let read = 0;
    w.spool.content = async () => {
      read += 1;
      return undefined;
    };
    w.attempts.dispatch(w.action());
    await turns();
    const { octets } = (await w.spool.message(w.message.id))!.content;
    assert.deepEqual(w.sent[0]!.content, { kind: 'blocks', octets });
    assert.equal(read, 0);
  });

  test('takes its content along while the worker may hold it, and is to read it in blocks when not', async () => {
    const octets = (messageOf([entryOf({ id: ID })]).content as { octets: Uint8Array }).octets.length;
    const w = await world({}, octets + 1);
    const both = { ...w.message, entries: [w.entry, { ...w.entry, id: `${idOf(1)}/1` as const }] };
    w.recent.keep(both, undefined, w.clock.now());
    const ahead = { ...w.entry, dueAt: w.clock.now() + MINUTE };
    w.attempts.dispatch(w.action(ahead));
    w.attempts.dispatch(w.action({ ...ahead, id: `${idOf(1)}/1` }));
    assert.deepEqual(
      w.sent.map(({ content }) => content.kind),
      ['octets', 'blocks'],
    );
    assert.equal((w.sent[1]!.content as { octets: number }).octets, octets);
    w.report(delivered(), w.sent[0]!.id);
    w.recent.keep(w.message, undefined, w.clock.now());
    w.attempts.dispatch(w.action({ ...ahead, id: `${idOf(1)}/2` }));
    assert.equal(w.sent[2]!.content.kind, 'octets');
    w.attempts.workerLost(0);
    w.recent.keep(w.message, undefined, w.clock.now());
    w.attempts.dispatch(w.action({ ...ahead, id: `${idOf(1)}/3` }));
    assert.equal(w.sent[3]!.content.kind, 'octets');
  });

  test('of a retry is recorded before it is sent: its due time is moved and it is counted', async () => {
    const w = await world();
    w.attempts.dispatch(w.action());
    assert.equal(w.sent.length, 0);
    await turns();
    assert.equal(w.sent.length, 1);
    const { dueAt, crashes } = (await w.stored())!;
    assert.deepEqual([dueAt, crashes], [w.clock.now() + 5 * MINUTE, 1]);
    assert.equal(Buffer.from((w.sent[0]!.content as { octets: Uint8Array }).octets).includes('body'), true);
  });

  test('on the fast path needs no record: it was committed as due a minute ahead', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(w.message, undefined, w.clock.now());
    w.attempts.dispatch(w.action());
    assert.equal(w.sent.length, 1);
    assert.equal((await w.stored())!.crashes, 0);
  });

  test('to the worker that has kept the message leaves out what that worker knows, and says that it was the last', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(w.message, 0, w.clock.now());
    w.attempts.dispatch(w.action());
    assert.deepEqual(w.sent, []);
    const [{ worker, dispatch, last } = assert.fail()] = w.sentKept;
    assert.deepEqual([worker, dispatch.message, dispatch.entry, last], [0, idOf(1), ID, true]);
    assert.ok(!('content' in dispatch) && !('recipients' in dispatch));
    assert.equal(w.recent.get(idOf(1)), undefined);
    assert.deepEqual(w.forgotten, []);
  });

  test('to another worker than the one that has kept it is read from the spool, and the first may forget it', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(w.message, 5, w.clock.now());
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual(w.sentKept, []);
    assert.equal(Buffer.from((w.sent[0]!.content as { octets: Uint8Array }).octets).includes('body'), true);
    assert.deepEqual(w.forgotten, [[5, idOf(1)]]);
    assert.equal((await w.stored())!.crashes, 0, 'the fast path all the same');
  });

  test('on the fast path of content in a file needs no record either', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(
      { ...w.message, content: { kind: 'file', path: '/nonexistent', octets: 9 } },
      undefined,
      w.clock.now(),
    );
    w.spool.content = async () => ({ kind: 'file', path: '/content', octets: 9 });
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual(w.sent[0]?.content, { kind: 'file', path: '/content', octets: 9 });
    assert.equal((await w.stored())!.crashes, 0);
  });

  test('of content that is gone although it just came is held', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(
      { ...w.message, content: { kind: 'file', path: '/nonexistent', octets: 9 } },
      undefined,
      w.clock.now(),
    );
    w.spool.content = async () => undefined;
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual([w.sent.length, (await w.stored())!.lane], [0, 'held']);
  });

  test('that waited too long for the fast path is recorded after all', async () => {
    const w = await world({ dueAt: queueParts().clock.now() + MINUTE });
    w.recent.keep(w.message, undefined, w.clock.now());
    w.clock.advance(31 * SECOND);
    w.attempts.dispatch(w.action());
    assert.equal(w.sent.length, 0);
    await turns();
    assert.deepEqual([w.sent.length, (await w.stored())!.crashes], [1, 1]);
  });

  test('of an entry that an operator is changing is given up, its connection closed, and the operator hears of it', async () => {
    const w = await world();
    w.locks.take(ID);
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual([w.sent.length, w.closed, w.finished.map(({ slot }) => slot)], [0, [7], [7]]);
    assert.equal(w.locks.give(ID), true);
  });

  for (const [name, change] of [
    ['was removed', undefined],
    ['was held', { lane: 'held' }],
    ['was put off', { dueAt: 9e12 }],
  ] as const)
    test(`from a page that is older than the entry, which ${name}, is not sent`, async () => {
      const w = await world();
      const changed = change === undefined ? undefined : { ...w.entry, ...change };
      await w.settler.settle(changed === undefined ? { remove: [ID] } : { put: [changed] });
      w.attempts.dispatch(w.action());
      await turns();
      assert.equal(w.sent.length, 0);
      assert.deepEqual(w.settled, [[ID, changed === undefined ? [] : [changed]]]);
      assert.equal(w.locks.has(ID), false);
    });

  test('of an entry without a message holds it, with a word', async () => {
    const w = await world();
    w.spool.message = async () => undefined;
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual([w.sent.length, (await w.stored())!.lane, w.locks.size], [0, 'held', 0]);
    assert.ok(w.logged.some((line) => line.includes('no message')));
  });

  test('whose record cannot be stored is not sent, and ends the process', async () => {
    const w = await world();
    w.spool.settle = () => Promise.reject(new Error('EIO'));
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual([w.sent.length, w.broken.length], [0, 1]);
  });
});

describe('a report', () => {
  test('of a delivery removes the entry, and frees slot, lock and memory', async () => {
    const w = await world();
    w.recent.keep(w.message, undefined, w.clock.now());
    w.attempts.dispatch(w.action());
    await turns();
    w.report(delivered());
    await turns();
    assert.equal(await w.stored(), undefined);
    assert.deepEqual([w.locks.size, w.attempts.inFlight, w.recent.octets], [0, 0, 0]);
    assert.deepEqual(w.settled, [[ID, []]]);
    assert.deepEqual([w.over, w.noticed()], [[idOf(1)], 0]);
    assert.equal(w.finished[0]!.effect, 'success');
  });

  test('of a deferral puts the entry off and forgets that it was in flight', async () => {
    const w = await world();
    w.attempts.dispatch(w.action());
    await turns();
    w.report(undelivered());
    await turns();
    const { lane, attempts, crashes, dueAt } = (await w.stored())!;
    assert.deepEqual([lane, attempts, crashes], ['deferred', 1, 0]);
    assert.ok(dueAt > w.clock.now());
    assert.deepEqual([w.locks.has(ID), w.over], [false, []]);
  });

  test('of a failure leaves a notice', async () => {
    const w = await world();
    w.attempts.dispatch(w.action());
    await turns();
    w.report(undelivered({ kind: 'failed', status: '5.1.1', diagnostic: '550 5.1.1 no' }));
    await turns();
    assert.equal(w.noticed(), 1);
    assert.equal((await w.spool.noticesOf(idOf(1))).length, 1);
  });

  test('that comes twice, or of a dispatch that was given up, changes nothing', async () => {
    const w = await world();
    w.attempts.dispatch(w.action());
    await turns();
    w.report(delivered());
    w.report(delivered());
    w.report(delivered(), 999);
    await turns();
    assert.equal(w.settled.length, 1);
  });

  test('after the time of the entry was up expires it, but not by a clock that jumped', async () => {
    for (const state of ['steady', 'moved'] as const) {
      const w = await world({ expiresAt: queueParts().clock.now() - 1 });
      Object.assign(w.context, { clockState: () => state });
      w.attempts.dispatch(w.action());
      await turns();
      w.report(undelivered());
      await turns();
      assert.equal((await w.stored()) === undefined, state === 'steady', state);
    }
  });
});

describe('a worker that dies', () => {
  test('costs its entries a deferral; at the second death an entry is held', async () => {
    const w = await world();
    for (const [i, lane] of (['deferred', 'held'] as const).entries()) {
      const entry = (await w.stored())!;
      w.attempts.dispatch(w.action(entry));
      await turns();
      w.attempts.workerLost(1); // Another one.
      assert.equal(w.attempts.inFlight, 1);
      w.attempts.workerLost(0);
      await turns();
      const after = (await w.stored())!;
      assert.deepEqual([after.lane, after.crashes, w.attempts.inFlight, w.locks.size], [lane, i + 1, 0, 0]);
    }
    assert.equal((await w.stored())!.reason, 'crashLoop');
  });

  test('while an entry is recorded or read for it was not sent it: the entry is due again, uncounted and free', async () => {
    const w = await world();
    for (const path of ['recorded', 'read'] as const) {
      const now = w.clock.now();
      const entry = { ...(await w.stored())!, ...(path === 'read' && { dueAt: now + MINUTE }) };
      if (path === 'read')
        w.recent.keep({ ...w.message, content: { kind: 'file', path: '/nonexistent', octets: 9 } }, undefined, now);
      w.gone.worker = false;
      w.attempts.dispatch(w.action(entry));
      w.gone.worker = true;
      await turns();
      const { crashes, dueAt, lane } = (await w.stored())!;
      assert.deepEqual([w.sent.length, w.attempts.inFlight, w.locks.size], [0, 0, 0], path);
      assert.deepEqual([crashes, dueAt, lane], [0, now, entry.lane], path);
      assert.deepEqual(w.settled.at(-1), [ID, [{ ...entry, dueAt: now }]], path);
    }
  });

  test('after two unclean stops is not risked: the entry is held before it is sent', async () => {
    const w = await world({ crashes: 2 });
    w.attempts.dispatch(w.action());
    await turns();
    assert.deepEqual([w.sent.length, w.closed, (await w.stored())!.lane], [0, [7], 'held']);
  });
});

test('what is in flight at a stop in good order is not counted as a crash of the entry', async () => {
  const w = await world();
  assert.deepEqual(w.attempts.uncounted(), []);
  w.attempts.dispatch(w.action());
  await turns();
  await w.settler.settle({ put: w.attempts.uncounted() });
  const { crashes, dueAt } = (await w.stored())!;
  assert.deepEqual([crashes, dueAt], [0, w.clock.now() + 5 * MINUTE]);
});

describe('an entry that is settled without a dispatch', () => {
  test('is put off, removed or held as the verdict says', async () => {
    const failed = { kind: 'failed', status: '5.1.2', diagnostic: 'postrider: no such domain', ttl: 1 } as const;
    const deferred = { ...failed, kind: 'deferred', status: '4.4.3' } as const;
    const rule = ruleOf({ kind: 'hold' });
    for (const [verdict, lane] of [
      [{ kind: 'failed', answer: failed }, undefined],
      [{ kind: 'deferred', answer: deferred }, 'deferred'],
      [{ kind: 'held', rule }, 'held'],
    ] as const) {
      const w = await world();
      w.attempts.withoutDispatch(w.entry, verdict);
      await turns();
      assert.equal((await w.stored())?.lane, lane);
      assert.deepEqual([w.locks.size, w.finished.length, w.settled.length], [0, 0, 1]);
    }
  });

  test('is left to whoever is changing it', async () => {
    const w = await world();
    w.locks.take(ID);
    w.attempts.withoutDispatch(w.entry, { kind: 'backedOff', at: 1, until: 2, diagnostic: 'x' });
    await turns();
    assert.equal(w.settled.length, 0);
    assert.equal(w.locks.give(ID), true);
  });
});
