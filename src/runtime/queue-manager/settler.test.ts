/** Settlements of one turn, and a disk that is full for a while. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../../test/lib/entries.ts';
import { messageOf, queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { SECOND } from '../../lib/time.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { type Settlement, SpoolError } from '../../spool/spool.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { Settler } from './settler.ts';

const entry = (n: number) => entryOf({ id: `${idOf(n)}/0` });

/** `refuse`: which settlements find no room. */
function world(refuse: (batch: Settlement) => Error | undefined = () => undefined) {
  const spool = new MemorySpool();
  const parts = queueParts(spool);
  const settled: Settlement[] = [];
  const state = { refuse };
  spool.settle = async (batch) => {
    const error = state.refuse(batch);
    if (error !== undefined) throw error;
    settled.push(batch);
    return { kind: 'committed' };
  };
  let committed = 0;
  const settler = new Settler({
    ...{ spool, timers: parts.clock, log: parts.context.log, logged: () => 7 },
    committed: () => (committed += 1),
  });
  return { ...parts, spool, settler, settled, state, committed: () => committed };
}

const full = (): SpoolError => new SpoolError('full', 'no space left');

describe('what is settled in one turn', () => {
  test('is one settlement, with the position of the log', async () => {
    const w = world();
    await Promise.all([1, 2, 3].map((n) => w.settler.settle({ put: [entry(n)], events: [`{"e":${n}}`] })));
    assert.equal(w.settled.length, 1);
    assert.deepEqual(
      w.settled[0]!.put.map(({ id }) => id),
      [1, 2, 3].map((n) => `${idOf(n)}/0`),
    );
    assert.equal(w.settled[0]!.logged, 7);
    assert.equal(w.committed(), 1);
    assert.equal(w.settler.unsettled, 0);
  });

  test('counts as unsettled until it is on disk', async () => {
    const w = world();
    const done = w.settler.settle({ put: [entry(1)] });
    assert.ok(w.settler.unsettled > 0);
    await done;
    assert.equal(w.settler.unsettled, 0);
  });

  test('without events does not wake the writer of the log, which would wake it again', async () => {
    const w = world();
    await w.settler.settle({});
    assert.equal(w.committed(), 0);
  });
});

describe('a full disk', () => {
  test('forgets nothing: what happened is tried again until there is room', async () => {
    const w = world(full);
    let done = false;
    const settling = w.settler.settle({ put: [entry(1)] }).then(() => (done = true));
    for (let i = 0; i < 3; i += 1) {
      await turns();
      w.clock.advance(SECOND);
    }
    assert.equal(done, false);
    assert.ok(w.settler.unsettled > 0);
    w.state.refuse = () => undefined;
    await turns();
    w.clock.advance(SECOND);
    await settling;
    assert.deepEqual(
      w.settled.map(({ put }) => put.length),
      [1],
    );
    assert.ok(w.logged.some((line) => line.includes('full')));
  });

  test('does not keep what makes room waiting for what takes it', async () => {
    const w = world((batch) => (batch.add.length > 0 ? full() : undefined));
    let added = false;
    const adding = w.settler.settle({ add: [messageOf([entry(9)])] }).then(() => (added = true));
    await w.settler.settle({ remove: [entry(1).id] });
    assert.equal(added, false);
    w.state.refuse = () => undefined;
    await turns();
    w.clock.advance(SECOND);
    await adding;
    assert.deepEqual(
      w.settled.map(({ remove, add }) => [remove.length, add.length]),
      [
        [1, 0],
        [0, 1],
      ],
    );
  });
});

describe('a store that is broken', () => {
  test('rejects all that waited, and is not tried again', async () => {
    const w = world(() => new SpoolError('broken', 'EIO'));
    const results = await Promise.allSettled([w.settler.settle({ put: [entry(1)] }), w.settler.settle({})]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    w.clock.advance(10 * SECOND);
    await turns();
    assert.equal(w.settler.unsettled, 0);
  });

  test('is what a partition is that another node owns now', async () => {
    const w = world();
    w.spool.settle = async () => ({ kind: 'stale', epoch: 9 });
    await assert.rejects(w.settler.settle({}), /no longer owns/);
  });
});
