/**
 * Readers of the store that stop in the middle: what was freed since must be used again as soon as the process is
 * gone, or the store grows with each message for ever; and an operator can see one that only stands still.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { FastSource } from '../../test/lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, type Running, startProcess, testFolder } from '../../test/lib/processes.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Fault, type Suite, type SuiteContext, type SuiteResult } from '../suite.ts';

const MESSAGES = { fault: 1500, short: 1500, long: 10_000 } as const;
/** A stopped reader costs some 9 KiB a message; the store's own needs move by less than this. */
const GROWTH_OCTETS = 3 * 1024;
const BODY = `${'x'.repeat(72)}\r\n`.repeat(40);
/** Commits a reader must be behind for it to show. */
const SHOWS = 20;

const FAULTS: readonly Fault[] = [
  {
    name: 'readers of dead processes are never cleared',
    plants: [
      {
        file: 'spool/lmdb/store.js',
        find: 'return this.#db.readerCheck();',
        replace: 'return 0;',
      },
    ],
  },
  {
    name: 'nobody is told of a reader that stands still',
    plants: [
      {
        file: 'spool/lmdb/store.js',
        find: 'readerLag: readerLag(this.#db.readerList(), lastTxnId),',
        replace: 'readerLag: 0,',
      },
    ],
  },
  {
    name: 'the product itself keeps an old snapshot',
    plants: [
      {
        file: 'spool/lmdb/store.js',
        find: 'this.#db = open(options);',
        // One that was only looked into is closed by then.
        replace:
          'this.#db = open(options); setTimeout(() => { try { this.#db.useReadTransaction(); } catch {} }, 2000).unref();',
      },
    ],
  },
];

export const readersSuite: Suite = {
  name: 'readers',
  about: 'a reader of the store that was stopped does not make it grow',
  faults: FAULTS,
  run,
};

interface World {
  readonly product: Product;
  readonly sink: FastSink;
  readonly messages: number;
  sent: number;
}

async function run({ length, fault, tell }: SuiteContext): Promise<SuiteResult> {
  const folder = await testFolder('prove-readers');
  const sink = new FastSink();
  const ports = { smtp: await freePort(), http: await freePort() };
  const config = {
    listeners: [listener('smtp', ports.smtp)],
    limits: LONG_SESSIONS,
    routes: [toSink({ name: 'sink', port: await sink.listen(), domains: ['sink.test'] })],
  };
  const env = plantedEnvironment(folder, fault?.plants ?? []);
  const product = await startProduct({ folder, ports, config, env });
  try {
    return await watched({ product, sink, messages: MESSAGES[length], sent: 0 }, tell);
  } finally {
    await product.kill();
    await sink.close();
    await removeFolder(folder);
  }
}

async function watched(world: World, tell: SuiteContext['tell']): Promise<SuiteResult> {
  const failures: string[] = [];
  // What the store needs for this load is found out first.
  for (const _ of [1, 2]) await pass(world);
  const quiet = await growthOf(world);
  tell(`without a reader the store grows by ${quiet} octets for ${world.messages} messages`);
  if (quiet > GROWTH_OCTETS * world.messages) failures.push(`the store grows by ${quiet} octets without any reader`);
  const reader = await startReader(world.product);
  let stopped: number;
  let seen: number;
  try {
    stopped = await growthOf(world);
    seen = await lagOf(world.product);
  } finally {
    await reader.stop('SIGKILL');
  }
  tell(`beside one that stands still it grows by ${stopped}, and the metric says ${seen} commits`);
  if (seen < SHOWS) failures.push(`a reader that stands still shows as ${seen} commits behind`);
  const cleared = await until(
    'the slot of the dead reader',
    async () => (await lagOf(world.product)) < SHOWS,
    25_000,
  ).catch(() => false);
  if (!cleared) failures.push('a reader that died is still in the way after 25 s');
  const after = await growthOf(world);
  tell(`after its death it grows by ${after}`);
  if (after > GROWTH_OCTETS * world.messages)
    failures.push(`after the death of a reader the store grows by ${after} octets`);
  return {
    cases: { 'messages passed': world.sent, 'readers killed in a scan': 1 },
    failures,
    figures: {
      'octets of growth a message without a reader': Math.round(quiet / world.messages),
      'octets of growth a message beside a stopped reader': Math.round(stopped / world.messages),
      'octets of growth a message after its death': Math.round(after / world.messages),
    },
    skipped: [],
  };
}

async function growthOf(world: World): Promise<number> {
  const before = sizeOf(world.product);
  await pass(world);
  return sizeOf(world.product) - before;
}

function sizeOf({ spool }: Product): number {
  return statSync(join(spool, 'store', 'data.mdb')).size;
}

/** So many messages come and go. */
async function pass(world: World): Promise<void> {
  const { product, sink, messages } = world;
  const end = world.sent + messages;
  const next = () => (world.sent < end ? { to: `n${(world.sent += 1)}@sink.test`, body: BODY } : undefined);
  await new FastSource({ port: product.smtpPort, sessions: 5, next }).run();
  await until('what was sent', () => sink.byRecipient.size === end, 60_000);
  await until('an empty queue', async () => (await product.control.status()).spool.messages === 0);
}

async function startReader({ spool }: Product): Promise<Running> {
  const argv = [process.execPath, join(import.meta.dirname, 'reader.mjs'), join(spool, 'store')] as const;
  const reader = startProcess({ argv: [...argv] });
  await until('the reader', () => reader.output().includes('looking at'));
  return reader;
}

async function lagOf({ httpPort }: Product): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  const [, lag] = /^postrider_spool_reader_lag (\d+)/m.exec(await answer.text()) ?? [];
  return Number(lag ?? Number.NaN);
}
