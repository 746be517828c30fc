/**
 * A backlog to a dead site and to a slow one beside fifty healthy sites: fresh mail to these keeps its pace, memory
 * stays bounded, and the server answers.
 *
 * By default the backlog has 200,000 entries; `POSTRIDER_TEST_BACKLOG=1000000` makes it a million.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import process from 'node:process';
import { type PostriderConfig } from '../../src/config/config.ts';
import { fillSpool } from '../lib/backlog.ts';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { anonymousMemory } from '../lib/memory.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, type ProductPorts, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

const BACKLOG = Number(process.env['POSTRIDER_TEST_BACKLOG'] ?? 200_000);
const HEALTHY = 50;
/** Fresh mail: sessions, the pause of each between two messages, and how many in all. */
const SESSIONS = 10;
const GAP = 100;
const FRESH = 1000;
/** Before that, so that every site has been met. */
const WARM = 200;
const SLOW = 1000;

const MAX_P99 = 2000;
/** Against the same measure without a backlog, which is a few milliseconds: below the floor a ratio means nothing. */
const MAX_RATIO = 5;
const FLOOR = 100;
const MAX_ANSWER = 1000;
const MAX_ANONYMOUS = 400 * 1024 ** 2;

interface Measured {
  readonly p50: number;
  readonly p99: number;
}

interface Watched {
  /** Most of it at any time, in octets. */
  anonymous: number;
  /** The slowest answer of the control socket, in milliseconds. */
  answer: number;
  asked: number;
}

describe('a backlog to a dead and to a slow site', { concurrency: false }, () => {
  const healthy = new FastSink();
  const slow = new FastSink({ delay: () => SLOW });
  const folders: string[] = [];
  let config: Partial<PostriderConfig>;
  let ports: ProductPorts;
  let without: Measured;

  before(async () => {
    ports = { smtp: await freePort(), http: await freePort() };
    const routes = [
      toSink({ name: 'dead', port: await freePort(), domains: ['dead.test'] }),
      toSink({ name: 'slow', port: await slow.listen(), domains: ['slow.test'] }),
    ];
    for (let i = 0; i < HEALTHY; i++)
      routes.push(toSink({ name: `healthy${i}`, port: await healthy.listen(), domains: [`healthy${i}.test`] }));
    config = { listeners: [listener('smtp', ports.smtp)], limits: LONG_SESSIONS, routes };
  });
  after(async () => {
    await healthy.close();
    await slow.close();
    for (const folder of folders) await removeFolder(folder);
  });

  async function newFolder(): Promise<string> {
    const folder = await testFolder('load');
    folders.push(folder);
    return folder;
  }

  /** From our 250 to the copy at the sink, for fresh mail at a steady rate. */
  async function measure(name: string, count: number): Promise<Measured> {
    let n = 0;
    const source = new FastSource({
      ...{ port: ports.smtp, sessions: SESSIONS, gap: GAP },
      next: () => (n < count ? { to: `${name}${(n += 1)}@healthy${n % HEALTHY}.test` } : undefined),
    });
    await source.run();
    assert.equal(source.countOf('accepted'), count);
    await until('all fresh mail', () => source.accepted.every((to) => healthy.byRecipient.has(to)));
    const times = [...source.fates].map(([to, fate]) => {
      const arrived = healthy.byRecipient.get(to)?.[0]?.answeredAt ?? Infinity;
      // The copy may be there before the client has read our 250.
      return Math.max(0, arrived - ('at' in fate ? fate.at : 0));
    });
    times.sort((a, b) => a - b);
    const at = (share: number): number => times[Math.floor(times.length * share)] ?? Infinity;
    return { p50: at(0.5), p99: at(0.99) };
  }

  test('first, the pace without one', async (t) => {
    const product = await startProduct({ folder: await newFolder(), ports, config });
    try {
      await measure('warm', WARM);
      without = await measure('alone', FRESH);
      t.diagnostic(shown(without));
    } finally {
      await product.kill();
    }
  });

  test(`then beside ${BACKLOG} entries`, async (t) => {
    const folder = await newFolder();
    const begun = performance.now();
    const mail = (n: number) => ({ to: `b${n}@${n % 2 === 0 ? 'dead' : 'slow'}.test` });
    await fillSpool({ folder, config, count: BACKLOG, mail });
    t.diagnostic(`the backlog was made in ${Math.round(performance.now() - begun)} ms`);
    const product = await startProduct({ folder, ports, config });
    const ended = new AbortController();
    try {
      const watching = watch(product, ended.signal);
      await until('the slow site at work', () => slow.copies.length > 0);
      await measure('warm2', WARM);
      const beside = await measure('beside', FRESH);
      const { spool } = await product.control.status();
      ended.abort();
      const { anonymous, answer, asked } = await watching;
      t.diagnostic(`${shown(beside)}; at most ${Math.round(anonymous / 1024 ** 2)} MiB anonymous memory`);
      t.diagnostic(`slowest of ${asked} answers of the control socket: ${Math.round(answer)} ms`);
      assert.ok(spool.entries > BACKLOG * 0.9, 'the backlog was gone before the test looked');
      assert.ok(beside.p99 < MAX_P99, `99 % took ${beside.p99} ms`);
      const bound = Math.max(FLOOR, MAX_RATIO * without.p99);
      assert.ok(beside.p99 < bound, `99 % took ${beside.p99} ms, ${without.p99} ms without the backlog`);
      assert.ok(answer < MAX_ANSWER, `an answer took ${answer} ms`);
      assert.ok(anonymous < MAX_ANONYMOUS, `${anonymous} octets of memory`);
    } finally {
      ended.abort();
      await product.kill();
    }
  });
});

/** Asks again and again until it is told to stop. */
async function watch({ control }: Product, ended: AbortSignal): Promise<Watched> {
  const watched: Watched = { anonymous: 0, answer: 0, asked: 0 };
  while (!ended.aborted) {
    const asked = performance.now();
    const { pid } = await control.status();
    watched.answer = Math.max(watched.answer, performance.now() - asked);
    watched.anonymous = Math.max(watched.anonymous, anonymousMemory(pid));
    watched.asked += 1;
    await pause(50);
  }
  return watched;
}

function shown({ p50, p99 }: Measured): string {
  return `from 250 to delivery: half within ${p50.toFixed(1)} ms, 99 % within ${p99.toFixed(1)} ms`;
}
