/** Group commits, and what a store that fails does to those who wait. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { type Committed, SpoolError } from '../spool.ts';
import { entry, EPOCH, idOf, message, settlement } from '../spool.fixtures.contract.ts';
import { Committer } from './commit.ts';
import { Planner } from './plan.ts';
import { HandTimers } from './scratch.contract.ts';
import { openState } from './state.ts';
import { Store, type Writes } from './store.ts';

const PLENTY = async (): Promise<number> => 2 ** 40;
const FULL = new SpoolError('full', 'no room');
const BROKEN = new SpoolError('broken', 'EIO');

/** A real store whose writes the test lets pass, fail or hang. */
class FailingStore extends Store {
  writes = 0;
  before: (writes: Writes) => Promise<void> = async () => {};

  override async write(writes: Writes): Promise<void> {
    this.writes++;
    await this.before(writes);
    await super.write(writes);
  }
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function rig() {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-commit-'));
  const store = new FailingStore({ folder, mapOctets: 2 ** 30, freeOctets: PLENTY });
  const planner = new Planner(store, await openState(store));
  store.writes = 0;
  const timers = new HandTimers();
  const broken: SpoolError[] = [];
  const onBroken = (error: SpoolError): void => void broken.push(error);
  const committer = new Committer({ store, planner, timers, onCommitted: () => {}, onBroken });
  cleanups.push(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const accept = (n: number): Promise<Committed> => {
    const octets = committer.copy(Buffer.from(`content ${n}`));
    const batch = settlement({ add: [message(n)] });
    return committer.submit({ kind: 'settle', batch, contents: [{ kind: 'octets', octets }], epoch: EPOCH });
  };
  const settle = (changes: Parameters<typeof settlement>[0]): Promise<Committed> =>
    committer.submit({ kind: 'settle', batch: settlement(changes), contents: [], epoch: EPOCH });
  return { store, planner, committer, timers, broken, accept, settle };
}

async function outcomes(calls: readonly Promise<Committed>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((each) => (each.status === 'fulfilled' ? each.value.kind : String(each.reason)));
}

test('calls of one tick are one commit, and what comes meanwhile is the next', async () => {
  const { store, accept, settle } = await rig();
  const first = [accept(0), accept(1), accept(2)];
  let second: Promise<Committed>[] = [];
  store.before = async () => {
    store.before = async () => {};
    second = [accept(3), settle({ events: ['{}'] }), settle({ events: ['{}'] })];
  };
  assert.deepEqual(await outcomes(first), ['committed', 'committed', 'committed']);
  assert.equal(store.writes, 1);
  assert.deepEqual(await outcomes(second), ['committed', 'committed', 'committed']);
  assert.equal(store.writes, 2);
});

test('nothing is resolved before the write has settled', async () => {
  const { store, accept } = await rig();
  const gate = Promise.withResolvers<void>();
  store.before = () => gate.promise;
  let isAccepted = false;
  const accepted = accept(0).then(() => (isAccepted = true));
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isAccepted, false);
  gate.resolve();
  await accepted;
});

test('a full disk writes nothing, and the spool goes on', async () => {
  const { store, planner, accept, broken } = await rig();
  store.before = () => Promise.reject(FULL);
  assert.deepEqual(await outcomes([accept(0), accept(1)]), [String(FULL), String(FULL)]);
  assert.equal(planner.state.messages, 0);
  store.before = async () => {};
  // The same messages again: what was planned for them before has left no trace.
  assert.deepEqual(await outcomes([accept(0), accept(1)]), ['committed', 'committed']);
  assert.equal(planner.state.messages, 2);
  assert.deepEqual(store.keys({ start: 'agenda/', end: 'agenda/~' }, 10).length, 1);
  assert.deepEqual(broken, []);
});

test('when a mixed group is too large for the disk, what frees room goes first', async () => {
  const { store, accept, settle } = await rig();
  await accept(0);
  await accept(1);
  const order: string[] = [];
  store.before = async ({ keys, octets }) => {
    if (octets > 1000) throw FULL;
    order.push(...keys.filter((key) => key.startsWith('entry/')));
  };
  const calls = [accept(2), settle({ remove: [`${idOf(0)}/0`] }), accept(3), settle({ remove: [`${idOf(1)}/0`] })];
  assert.deepEqual(await outcomes(calls), [String(FULL), 'committed', String(FULL), 'committed']);
  assert.deepEqual(order, [`entry/${idOf(0)}/0`, `entry/${idOf(1)}/0`]);
  assert.equal(store.has(`message/${idOf(0)}`), false);
  assert.equal(store.has(`message/${idOf(2)}`), false);
});

test('accepts that wait behind a full disk get in when the settlements have made room', async () => {
  const { store, accept, settle } = await rig();
  await accept(0);
  let failures = 1;
  store.before = async () => {
    if (failures-- > 0) throw FULL;
  };
  assert.deepEqual(await outcomes([accept(1), settle({ remove: [`${idOf(0)}/0`] })]), ['committed', 'committed']);
});

test('a store that is broken rejects all that wait and all that come, and says so once', async () => {
  const { store, accept, broken } = await rig();
  let later: Promise<Committed> | undefined;
  store.before = async () => {
    later ??= accept(5);
    // Rejections that nobody has awaited yet must not end the process.
    later.catch(() => {});
    throw BROKEN;
  };
  assert.deepEqual(await outcomes([accept(0), accept(1)]), [String(BROKEN), String(BROKEN)]);
  assert.deepEqual(await outcomes([later!, accept(6)]), [String(BROKEN), String(BROKEN)]);
  assert.deepEqual(broken, [BROKEN]);
  assert.equal(store.writes, 1);
});

test('a commit that does not settle in 30 seconds is a broken store', async () => {
  const { store, committer, timers, accept, broken } = await rig();
  store.before = () => new Promise(() => {});
  const waiting = [accept(0)];
  await new Promise((resolve) => setImmediate(resolve));
  waiting.push(accept(1));
  for (let second = 1; second < 30; second++) timers.fire(1000);
  assert.deepEqual(broken, []);
  timers.fire(1000);
  for (const outcome of await outcomes(waiting)) assert.match(outcome, /has not settled for 30 s/);
  assert.deepEqual(
    broken.map(({ kind }) => kind),
    ['broken'],
  );
  await committer.idle();
});

test('commits that settle, however many, are never taken for one that hangs', async () => {
  const { timers, accept, broken, committer } = await rig();
  for (let n = 0; n < 40; n++) {
    const accepted = accept(n);
    await new Promise((resolve) => setImmediate(resolve));
    timers.fire(1000);
    await accepted;
  }
  assert.deepEqual(broken, []);
  await committer.idle();
  assert.equal(timers.pending, 0);
});

test('a wrong call is refused alone, also when it shares its message with a right one', async () => {
  const { accept, settle, store } = await rig();
  await accept(0);
  const calls = [
    settle({ remove: [`${idOf(0)}/9`] }),
    settle({ remove: [`${idOf(0)}/0`], put: [entry(`${idOf(0)}/1`)] }),
    settle({ remove: [`${idOf(0)}/0`] }),
  ];
  const [unknown, right, twice] = await outcomes(calls);
  assert.match(unknown ?? '', /does not exist/);
  assert.equal(right, 'committed');
  assert.match(twice ?? '', /does not exist/);
  assert.equal(store.has(`entry/${idOf(0)}/1`), true);
});
