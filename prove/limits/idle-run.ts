/**
 * One product with many idle connections: each is greeted and then says nothing. They come and go in rounds, so that
 * what is kept of a connection beyond its end adds up. While they are open somebody else sends a message.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { LineClient } from '../../test/lib/line-client.ts';
import { listener } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { until } from '../../test/lib/wait.ts';
import { type Plant } from '../suite.ts';
import { answered } from './answered.ts';
import { complaintsIn } from './complaints.ts';
import { Probes } from './probes.ts';
import { memoryOf } from './watch.ts';

export interface IdleOptions {
  readonly connections: number;
  readonly rounds: number;
  readonly plants: readonly Plant[];
  readonly tell: (text: string) => void;
}

export interface IdleRun {
  readonly connections: number;
  readonly rounds: number;
  /** Over all rounds. */
  readonly greeted: number;
  /** Replies to the message that was sent meanwhile, one of each round. */
  readonly served: readonly number[];
  /** Anonymous memory, octets: before the first round, and the most while connections were open. */
  readonly anonymousBefore: number;
  readonly anonymousMost: number;
  /** Heaps and what they hold outside, garbage not counted: while all connections were open, and after each round. */
  readonly inUseOpen: number;
  readonly inUseAfter: readonly number[];
  readonly complaints: readonly string[];
}

const PATIENCE = 300_000;
const AT_ONCE = 50;
const OTHERS = 100;
/** Beside the connections: files, sockets, pipes. */
const OTHER_DESCRIPTORS = 500;

/** Why so many connections cannot be opened by one process here; undefined: they can. */
export function whyTooMany(connections: number): string | undefined {
  const limit = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  const needed = connections + OTHER_DESCRIPTORS;
  return limit >= needed ? undefined : `${connections} connections: a process may open ${limit} files, not ${needed}`;
}

export async function runIdle({ connections, rounds, plants, tell }: IdleOptions): Promise<IdleRun> {
  const folder = await testFolder('idle');
  const probes = new Probes(folder, plants);
  const ports = { smtp: await freePort(), http: await freePort() };
  // Somebody else must find room beside them.
  const allowed = { connections: connections + OTHERS, connectionsPerClient: connections + OTHERS };
  const config = {
    listeners: [{ ...listener('smtp', ports.smtp), ...allowed }],
    routes: [{ kind: 'discard', name: 'discard' }],
  } as const;
  const product = await startProduct({
    ...{ folder, ports, env: probes.env, patience: PATIENCE },
    config: { listeners: [...config.listeners], routes: [...config.routes] },
  });
  try {
    const { pid } = await answered('status', () => product.control.status());
    const anonymousBefore = memoryOf(pid).anonymous;
    const seen: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      seen.push(await runRound(product, { pid, probes, connections }));
      tell(`round ${round} of ${rounds}: ${seen.at(-1)?.greeted} of ${connections} connections were greeted`);
    }
    const complaints = complaintsIn(product.running.output());
    if ((await product.stop()) !== 0) throw new Error(`the product did not end well: ${product.running.output()}`);
    return {
      ...{ connections, rounds, anonymousBefore, complaints },
      greeted: seen.reduce((sum, { greeted }) => sum + greeted, 0),
      served: seen.map(({ served }) => served),
      anonymousMost: Math.max(...seen.map(({ anonymous }) => anonymous)),
      inUseOpen: seen.at(-1)?.inUseOpen ?? 0,
      inUseAfter: seen.map(({ inUseAfter }) => inUseAfter),
    };
  } finally {
    await product.kill();
    await removeFolder(folder);
  }
}

interface Round {
  readonly greeted: number;
  readonly served: number;
  readonly anonymous: number;
  readonly inUseOpen: number;
  readonly inUseAfter: number;
}

async function runRound(
  product: Product,
  { pid, probes, connections }: { pid: number; probes: Probes; connections: number },
): Promise<Round> {
  const clients: LineClient[] = [];
  try {
    let greeted = 0;
    while (clients.length < connections) {
      const count = Math.min(AT_ONCE, connections - clients.length);
      const opened = await Promise.all(Array.from({ length: count }, () => LineClient.to(product.smtpPort)));
      clients.push(...opened);
      const greetings = await Promise.all(opened.map((client) => client.reply()));
      greeted += greetings.filter(({ code }) => code === 220).length;
    }
    const served = await sendOne(product.smtpPort);
    const inUseOpen = await probes.inUse(pid);
    const { anonymous } = memoryOf(pid);
    for (const client of clients) client.close();
    await until('all sessions to end', async () => sessionsOf(product), PATIENCE);
    // What a turn of the event loop still holds is let go.
    await pause(100);
    return { greeted, served, anonymous, inUseOpen, inUseAfter: await probes.inUse(pid) };
  } finally {
    for (const client of clients) client.close();
  }
}

async function sessionsOf({ control }: Product): Promise<boolean> {
  const { workers } = await answered('status', () => control.status());
  return workers.every(({ sessions }) => sessions === 0);
}

/** The code of the last reply. */
async function sendOne(port: number): Promise<number> {
  const client = await LineClient.greeted(port);
  const replies = await client.send('a@client.test', ['b@discard.test'], 'Subject: Hello\r\n\r\nHello\r\n');
  client.close();
  return replies.at(-1)?.code ?? 0;
}
