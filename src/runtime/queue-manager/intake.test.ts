/** What becomes of messages that workers hand over: one commit, one answer each, and nothing half done. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../../test/lib/entries.ts';
import { messageOf, queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { MINUTE } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Submitted } from '../../receive/ports.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { SpoolError } from '../../spool/spool.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { Intake } from './intake.ts';
import { RecentMessages } from './recent-messages.ts';

function world({ admits = true, keeper }: { readonly admits?: boolean; readonly keeper?: number } = {}) {
  const spool = new MemorySpool();
  const parts = queueParts(spool);
  const recent = new RecentMessages(1e6);
  const accepted: [readonly Entry[], boolean][] = [];
  const forgotten: Entry[] = [];
  const answers: Submitted[] = [];
  const keeps: boolean[] = [];
  let commits = 0;
  const { accept } = spool;
  spool.accept = (batch, epoch) => {
    commits += 1;
    return accept.call(spool, batch, epoch);
  };
  const intake = new Intake(parts.context, recent, {
    admit: () => admits,
    accepted: (entries, admitted) => void accepted.push([entries, admitted]),
    forget: (entries) => void forgotten.push(...entries),
    committed: () => undefined,
  });
  const take = (n: number): void =>
    intake.take(messageOf([entryOf({ id: `${idOf(n)}/0` })]), keeper, (answer, kept) => {
      answers.push(answer);
      keeps.push(kept);
    });
  return { ...parts, spool, recent, accepted, forgotten, answers, keeps, intake, take, commits: () => commits };
}

describe('messages of one turn', () => {
  test('share a commit, and each is answered after it', async () => {
    const w = world();
    for (const n of [1, 2, 3]) w.take(n);
    assert.equal(w.intake.open, 3);
    assert.deepEqual(w.answers, []);
    await turns();
    assert.equal(w.commits(), 1);
    assert.deepEqual(w.answers, [{ kind: 'accepted' }, { kind: 'accepted' }, { kind: 'accepted' }]);
    assert.equal(w.intake.open, 0);
  });

  test('are committed as due a minute ahead when they go on in memory, and as due now when they do not', async () => {
    for (const admits of [true, false]) {
      const w = world({ admits });
      w.take(1);
      await turns();
      const stored = await w.spool.entry(`${idOf(1)}/0`);
      assert.equal(stored!.dueAt, w.clock.now() + (admits ? MINUTE : 0));
      assert.equal(w.recent.get(idOf(1)) !== undefined, admits);
      assert.deepEqual(
        w.accepted.map(([entries, admitted]) => [entries[0]!.dueAt, admitted]),
        [[stored!.dueAt, admits]],
      );
    }
  });
});

describe('a worker that has the content in memory', () => {
  test('keeps it when the message goes on in memory, and is told so', async () => {
    const w = world({ keeper: 3 });
    w.take(1);
    await turns();
    assert.deepEqual(w.keeps, [true]);
    const { octets, worker } = w.recent.get(idOf(1))!;
    assert.deepEqual([octets, worker], [undefined, 3]);
  });

  test('does not when the message waits on disk, or could not be committed', async () => {
    const waits = world({ keeper: 3, admits: false });
    const fails = world({ keeper: 3 });
    fails.spool.accept = () => Promise.reject(new SpoolError('full', 'no space left'));
    for (const w of [waits, fails]) {
      w.take(1);
      await turns();
      assert.deepEqual(w.keeps, [false]);
      assert.equal(w.recent.get(idOf(1)), undefined);
    }
  });

  test('that does not keep it leaves it to the queue manager', async () => {
    const w = world();
    w.take(1);
    await turns();
    assert.deepEqual(w.keeps, [false]);
    assert.ok(w.recent.get(idOf(1))!.octets !== undefined);
  });
});

describe('a commit that fails', () => {
  test('for want of room is answered so, forgotten by the scheduler, and the next one is tried', async () => {
    const w = world();
    const { accept } = w.spool;
    w.spool.accept = () => Promise.reject(new SpoolError('full', 'no space left'));
    w.take(1);
    await turns();
    assert.deepEqual(w.answers, [{ kind: 'full' }]);
    assert.equal(w.forgotten.length, 1);
    assert.equal(w.recent.octets, 0);
    assert.deepEqual([w.accepted, w.broken], [[], []]);
    w.spool.accept = accept;
    w.take(2);
    await turns();
    assert.deepEqual(w.answers[1], { kind: 'accepted' });
  });

  test('because the store broke is answered with a refusal, never with 250, and ends the process', async () => {
    const w = world();
    w.spool.accept = () => Promise.reject(new SpoolError('broken', 'EIO'));
    w.take(1);
    w.take(2);
    await turns();
    assert.deepEqual(
      w.answers.map(({ kind }) => kind),
      ['unavailable', 'unavailable'],
    );
    assert.equal(w.broken.length, 1);
    assert.equal(w.intake.open, 0);
  });

  test('because another node took over is refused', async () => {
    const w = world();
    w.spool.accept = async () => ({ kind: 'stale', epoch: 9 });
    w.take(1);
    await turns();
    assert.equal(w.answers[0]!.kind, 'unavailable');
    assert.equal(w.forgotten.length, 1);
  });
});
