/** Load and sink that are not ours: `smtp-source` and `smtp-sink` of Debian's postfix package, unpacked into the cache. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { type Readable } from 'node:stream';
import { libraryFolders, packageRoot } from '../test/lib/debs.ts';
import { freePort } from '../test/lib/processes.ts';
import { until, untilListening } from '../test/lib/wait.ts';

export interface SourceLoad {
  readonly port: number;
  readonly messages: number;
  readonly sessions: number;
  readonly octets: number;
  readonly recipient: string;
  /** One connection for each message, or as few as there are sessions. */
  readonly connections: 'each' | 'reused';
  /** Seconds that each session waits between its messages, from none to so many by chance. Absent: it does not wait. */
  readonly pause?: number;
}

const MINUTE = 60_000;
/** How often the sink's counter is read: more often costs more than it tells. */
const POLL = 5;
const BACKLOG = 1000;
const SESSION_MESSAGES = 1000;

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

async function startTool(name: 'smtp-source' | 'smtp-sink', args: readonly string[]): Promise<ChildProcess> {
  const root = await packageRoot('postfix');
  const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(root).join(':') };
  const stdio = ['ignore', name === 'smtp-sink' ? 'pipe' : 'ignore', 'pipe'] as const;
  const child = spawn(join(root, 'usr/sbin', name), args, { env, stdio: [...stdio] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Resolves when all of it has been answered; rejects with what the tool says when it was not. */
export async function load(wanted: SourceLoad): Promise<void> {
  const { port, messages, sessions, octets, recipient, connections, pause } = wanted;
  const what = ['-s', sessions, '-l', octets, '-m', messages, '-f', 'a@bench.test', '-t', recipient].map(String);
  const reuse = connections === 'reused' ? ['-d'] : [];
  const waits = pause === undefined ? [] : ['-R', String(pause)];
  const child = await startTool('smtp-source', ['-4', ...what, ...reuse, ...waits, `127.0.0.1:${port}`]);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-1000)));
  const timer = setTimeout(() => child.kill(), 5 * MINUTE);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`smtp-source ended with ${code}: ${said}`);
}

/** As much as is wanted: the product ends a connection after a thousand messages. */
export async function loadBacklog({ messages, ...source }: Omit<SourceLoad, 'connections'>): Promise<void> {
  const atOnce = source.sessions * (SESSION_MESSAGES / 2);
  for (let sent = 0; sent < messages; sent += atOnce)
    await load({ ...source, connections: 'reused', messages: Math.min(atOnce, messages - sent) });
}

export interface Sink {
  readonly port: number;
  /** Messages taken so far. */
  readonly taken: number;
  stop(): void;
}

export async function startSink(port?: number): Promise<Sink> {
  const chosen = port ?? (await freePort());
  // Run by root it asks for a user to become.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const args = ['-4', ...user, '-c', '-m', '2000', `127.0.0.1:${chosen}`, String(BACKLOG)];
  const child = await startTool('smtp-sink', args);
  let taken = 0;
  let tail = '';
  const timer = setInterval(() => {
    const chunk = (child.stdout as Readable | null)?.read() as Buffer | null;
    if (chunk === null) return;
    tail = (tail + chunk.toString('latin1')).slice(-200);
    taken = Number([...tail.matchAll(/mesg=(\d+)\r/g)].at(-1)?.[1] ?? taken);
  }, POLL);
  await untilListening(chosen);
  return {
    port: chosen,
    get taken() {
      return taken;
    },
    stop: () => {
      clearInterval(timer);
      child.kill();
    },
  };
}

/** Waits in steps of the sink's counter, and fails by name. */
export async function untilTaken(sink: Sink, count: number, patience: number = 2 * MINUTE): Promise<void> {
  const end = performance.now() + patience;
  while (sink.taken < count) {
    if (performance.now() > end) throw new Error(`the sink has ${sink.taken} of ${count} messages`);
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

/** Until a server has no more work: its CPU time stands still. */
export async function untilIdle(cpu: () => number, patience: number = MINUTE): Promise<void> {
  let last = cpu();
  await until(
    'the server to be idle',
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      const now = cpu();
      const still = now - last <= 10;
      last = now;
      return still;
    },
    patience,
  );
}

/** Of the package. Asked for defaults only, it needs no configuration. */
export async function toolVersion(): Promise<string> {
  const root = await packageRoot('postfix');
  const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(root).join(':') };
  const asked = spawnSync(join(root, 'usr/sbin/postconf'), ['-dh', 'mail_version'], { env, encoding: 'utf8' });
  return asked.status === 0 ? asked.stdout.trim() : 'unknown';
}
