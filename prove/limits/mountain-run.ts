/**
 * One product on one mountain of mail: the spool is written while no server runs, and is not in the system's cache
 * when it starts. Half of the sites refuse. What it costs to start, to deliver the first message, to be asked for the
 * queue, and to drain while new mail comes; and afterwards, whether each message is either delivered once or still there.
 */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type PostriderConfig } from '../../src/config/config.ts';
import { systemTimers } from '../../src/runtime/timers.ts';
import { openLmdbSpool } from '../../src/spool/lmdb/open.ts';
import { fillSpool } from '../../test/lib/backlog.ts';
import { removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { type Plant } from '../suite.ts';
import { answered } from './answered.ts';
import { complaintsIn } from './complaints.ts';
import { mailOf, type Mountain } from './mountain.ts';
import { Probes } from './probes.ts';
import { type Arrived, type Receivers, startReceivers } from './receivers.ts';
import { type ThreadSummary } from './samples.ts';
import { runTraffic, type Traffic } from './traffic.ts';
import { watch, type Watched } from './watch.ts';

export interface MountainOptions {
  readonly mountain: Mountain;
  readonly sites: number;
  /** Of the scheduler, MiB: `queue.memory`. */
  readonly budget: number;
  /** Messages that arrive and recipients that are refused before memory is compared. */
  readonly attempts: number;
  readonly plants: readonly Plant[];
  readonly tell: (text: string) => void;
}

export interface MountainRun extends Watched {
  readonly messages: number;
  readonly budget: number;
  readonly filledMs: number;
  readonly fromDisk: boolean;
  /** From the start of the process. */
  readonly startMs: number;
  readonly firstDeliveryMs: number;
  /** `postrider queue list`, which shows a hundred entries; and one page of a thousand through the control socket. */
  readonly listMs: number;
  readonly pageMs: number;
  /** What came while it drained. */
  readonly traffic: Traffic;
  /** Heaps and what they hold outside, garbage not counted, when that time was over: octets. */
  readonly inUse: number;
  readonly threads: ReadonlyMap<string, ThreadSummary>;
  /** At the end. */
  readonly arrived: Arrived;
  readonly entriesLeft: number;
  /** What it said that it should not have had to say. */
  readonly complaints: readonly string[];
}

const PATIENCE = 300_000;
const PAGES = 20;
const QUIET = { error: console.error, warn: () => undefined, info: () => undefined };

export async function runMountain(options: MountainOptions): Promise<MountainRun> {
  const { mountain, sites, budget, attempts, tell } = options;
  const { messages, domains } = mountain;
  const folder = await testFolder('mountain');
  const receivers = await startReceivers({ messages: messages + attempts, sites, domains });
  try {
    const config = configOf(receivers, budget);
    const begun = performance.now();
    const now = Date.now();
    await fillSpool({ folder, config, count: messages, mail: (n) => mailOf(mountain, n, now) });
    const filledMs = performance.now() - begun;
    tell(`${messages} messages were written in ${Math.round(filledMs / 1000)} s`);
    const fromDisk = dropFromCache(join(folder, 'spool'));
    const run = await attend(options, { folder, config, receivers });
    const entriesLeft = await entriesIn(join(folder, 'spool'));
    return { messages, budget, filledMs, fromDisk, entriesLeft, ...run };
  } finally {
    receivers.stop();
    await removeFolder(folder);
  }
}

function configOf({ port, dns }: Receivers, budget: number): Partial<PostriderConfig> {
  return {
    dns: { servers: [dns] },
    routes: [{ kind: 'mx', name: 'mx', port, tls: 'none' }],
    queue: { memory: `${budget}MiB` },
  };
}

interface Place {
  readonly folder: string;
  readonly config: Partial<PostriderConfig>;
  readonly receivers: Receivers;
}

async function attend(
  { mountain, sites, attempts, plants, tell }: MountainOptions,
  { folder, config, receivers }: Place,
): Promise<Omit<MountainRun, 'messages' | 'budget' | 'filledMs' | 'fromDisk' | 'entriesLeft'>> {
  const probes = new Probes(folder, plants);
  const begun = { wall: Date.now(), at: performance.now() };
  const product = await startProduct({ folder, config, env: probes.env, patience: PATIENCE });
  try {
    const startMs = performance.now() - begun.at;
    const { pid } = await answered('status', () => product.control.status());
    const watching = watch(pid, product.control);
    const first = await firstDelivery(receivers);
    const firstDeliveryMs = first - begun.wall;
    tell(`up after ${Math.round(startMs)} ms, the first delivery after ${Math.round(firstDeliveryMs)} ms`);
    const listed = await listing(product);
    const traffic = await runTraffic({ mountain, sites, port: product.smtpPort, receivers, attempts });
    tell(`${attempts} attempts came to a reply after ${Math.round(traffic.drainedMs / 1000)} s`);
    const inUse = await probes.inUse(pid);
    await watching.stop();
    const output = product.running.output();
    if ((await product.stop()) !== 0) throw new Error(`the product did not end well: ${product.running.output()}`);
    return {
      ...{ ...watching.watched, startMs, firstDeliveryMs, ...listed, traffic },
      ...{ inUse, threads: probes.threads(pid) },
      ...{ arrived: await receivers.arrived(), complaints: complaintsIn(output) },
    };
  } finally {
    await product.kill();
  }
}

function firstDelivery(receivers: Receivers): Promise<number> {
  return until('the first delivery', async () => (await receivers.arrived()).firstAt, PATIENCE);
}

async function listing(product: Product): Promise<Pick<MountainRun, 'listMs' | 'pageMs'>> {
  const begun = performance.now();
  await until('queue list', async () => (await product.cli('queue', 'list')).code === 0, PATIENCE);
  const listMs = performance.now() - begun;
  const pagesBegun = performance.now();
  let after: string | undefined;
  // From the beginning again at the end: a short queue is asked for as much, for what is compared is not the asking.
  for (let pages = 0; pages < PAGES; pages += 1) {
    const query = { limit: 1000, ...(after !== undefined && { after }) };
    const page = await answered('a page of the queue', () => product.control.list(query));
    after = page.next;
  }
  return { listMs, pageMs: (performance.now() - pagesBegun) / PAGES };
}

/** Pages that are on disk leave the cache; false: this system has no way to ask for it. */
function dropFromCache(folder: string): boolean {
  try {
    execFileSync('sync');
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const path = join(entry.parentPath, entry.name);
        execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
      }
    return true;
  } catch {
    // No `dd`, or not GNU's.
    return false;
  }
}

async function entriesIn(folder: string): Promise<number> {
  const spool = await openLmdbSpool({ folder, log: QUIET, timers: systemTimers, onBroken });
  const { entries } = await spool.figures();
  await spool.close();
  return entries;
}

function onBroken(error: Error): never {
  throw error;
}
