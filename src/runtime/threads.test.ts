/** The threads as they are, over a spool of their own: what becomes of mail when one of them dies. */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test, type TestContext } from 'node:test';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { FastSource } from '../../test/lib/fast-source.ts';
import { listener, toSink } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { until } from '../../test/lib/wait.ts';
import { type EntryView } from '../api/contract.ts';
import { type Event } from '../events/event.ts';
import { parseEvent } from '../events/format.ts';
import { clockOffset } from './clock.ts';
import { openDirectory } from './directory-care.ts';
import { Threads } from './threads.ts';

interface Running {
  readonly threads: Threads;
  readonly sink: FastSink;
  readonly port: number;
  readonly logged: string[];
  readonly fatal: string[];
  readonly events: Event[];
}

const NEVER = 60_000;

async function run(t: TestContext, workers: number): Promise<Running> {
  const folder = await testFolder('threads');
  // As the main thread does before it starts any other.
  mkdirSync(join(folder, 'spool'), { mode: 0o700 });
  openDirectory(join(folder, 'spool')).close();
  const port = await freePort();
  const sink = new FastSink();
  const written = {
    hostname: 'mx.threads.test',
    listeners: [listener('smtp', port)],
    routes: [toSink({ name: 'out', port: await sink.listen() })],
    spool: { folder: join(folder, 'spool'), minFree: '1MiB' },
  };
  const [logged, fatal, events]: [string[], string[], Event[]] = [[], [], []];
  const note = (message: string, fields?: object): void =>
    void logged.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const threads = new Threads({
    boot: { config: { kind: 'value', written, folder }, clockOffset: clockOffset(), eventsWatched: true },
    workers,
    reusePort: process.platform === 'linux',
    certificates: async () => ({ certificate: '', key: '' }),
    log: { error: note, warn: note, info: note },
    events: (lines) => {
      for (const line of lines.trimEnd().split('\n')) {
        const event = parseEvent(line);
        assert.ok(event.ok, line);
        events.push(event.value);
      }
    },
    fatal: (reason) => void fatal.push(reason),
  });
  await threads.start();
  t.after(async () => {
    threads.stopping();
    // One of them may be gone: that is what some tests are about.
    await threads.queueManager.ask('drain', 0).catch(() => undefined);
    await threads.queueManager.ask('close').catch(() => undefined);
    await threads.archivist.ask('close');
    for (const { thread } of threads.workers) await thread.terminate();
    await threads.archivist.terminate();
    await threads.queueManager.terminate();
    await sink.close();
    await removeFolder(folder);
  });
  return { threads, sink, port, logged, fatal, events };
}

async function send(port: number, count: number): Promise<FastSource> {
  let n = 0;
  const next = () => (n < count ? { to: `n${(n += 1)}@sink.test` } : undefined);
  const source = new FastSource({ port, sessions: 1, next });
  await source.run();
  assert.equal(source.countOf('accepted'), count);
  return source;
}

/** Ends a worker as a fault in it would, and waits until there is another in its place. */
async function kill({ threads, logged }: Running, id: number): Promise<void> {
  const worker = threads.workers.find((each) => each.id === id);
  assert.ok(worker !== undefined);
  const starts = logged.length;
  await worker.thread.terminate();
  await until('the death to be told', () => logged.slice(starts).some((line) => line.startsWith('a worker died')));
  await until('another worker in its slot', async () => {
    const next = threads.workers.find((each) => each.id === id);
    if (next === undefined || next.thread === worker.thread) return false;
    const { figures } = (await threads.queueManager.ask('status')) as { figures: Record<string, number> };
    return figures['workers'] === threads.workers.length;
  });
}

async function waiting({ threads }: Running): Promise<readonly EntryView[]> {
  return ((await threads.queueManager.ask('list', {})) as { entries: readonly EntryView[] }).entries;
}

describe('a worker that dies', () => {
  test('what was in flight there is tried again, once another is in its slot', async (t) => {
    const running = await run(t, 1);
    const { sink, threads, port, events } = running;
    sink.rules = { delay: () => NEVER };
    await send(port, 1);
    await until('a delivery in flight', () => sink.waiting === 1);
    await kill(running, 0);
    const [entry] = await until('the entry to wait again', async () => {
      const entries = await waiting(running);
      return entries[0]?.inFlight === false && entries;
    });
    assert.equal(entry?.reason, 'local');
    assert.match(entry?.lastReply ?? '', /^postrider: the delivery was interrupted/);
    sink.rules = {};
    await threads.queueManager.ask('retry', { select: {}, all: true });
    await until('the delivery', () => sink.copies.length === 1);
    await until('the end of it', () => events.some(({ kind }) => kind === 'delivered'));
    assert.deepEqual(await waiting(running), []);
    assert.deepEqual(running.fatal, []);
  });

  test('an entry that was in flight at two deaths is held, and told', async (t) => {
    const running = await run(t, 1);
    const { sink, threads, port, events } = running;
    sink.rules = { delay: () => NEVER };
    await send(port, 1);
    await until('a delivery in flight', () => sink.waiting === 1);
    await kill(running, 0);
    await until('the first end', async () => (await waiting(running))[0]?.inFlight === false);
    await threads.queueManager.ask('retry', { select: {}, all: true });
    await until('the second attempt', () => sink.waiting === 2);
    await kill(running, 0);
    const held = await until('it to be held', () => events.find((event) => event.kind === 'held'));
    assert.equal(held.rule, 'crash-loop guard');
    const [entry] = await waiting(running);
    assert.deepEqual([entry?.lane, entry?.reason], ['held', 'crashLoop']);
    // Released, it gets a new chance.
    sink.rules = {};
    await threads.queueManager.ask('release', { select: {}, all: true });
    await until('the delivery', () => sink.copies.length === 1);
  });

  test('the others go on, and its port is answered again', async (t) => {
    const running = await run(t, 2);
    const { sink, port } = running;
    await send(port, 20);
    await until('an empty queue', async () => (await waiting(running)).length === 0);
    await kill(running, 1);
    await kill(running, 0);
    assert.deepEqual(
      running.threads.workers.map(({ id }) => id),
      [0, 1],
    );
    for (let i = 0; i < 10; i++) await send(port, 2);
    await until('all of it', () => sink.copies.length === 40);
  });

  test('the death of the queue manager is the end', async (t) => {
    const running = await run(t, 1);
    assert.deepEqual(running.fatal, []);
    await running.threads.queueManager.ask('close');
    await running.threads.queueManager.terminate();
    await until('the reason', () => running.fatal.length > 0);
    assert.match(running.fatal[0] ?? '', /^the queue manager died/);
    // Whoever asks it now is told, and does not wait for ever.
    await assert.rejects(running.threads.queueManager.ask('status'), /the queue-manager thread ended/);
  });
});
