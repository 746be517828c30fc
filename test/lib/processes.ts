/**
 * Child processes of tests: each leads a process group of its own, writes where it can be read, and is ended with
 * everything it started, by id; also when the test run itself ends early.
 */

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';

import { until } from './wait.ts';

export interface Running {
  readonly pid: number;
  /** Resolves with the exit code, or the name of the signal. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** What it has written to its two outputs so far, the last megabyte of it. */
  output(): string;
  /** To the process alone. */
  signal(signal: NodeJS.Signals): void;
  /** Ends the whole group: politely, after five seconds not. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ProcessOptions {
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: Buffer | string;
}

const KEPT_OUTPUT = 1 << 20;
const POLITE = 5000;

const groups = new Set<number>();
process.once('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL');
});

export function startProcess({ argv, env, cwd, input }: ProcessOptions): Running {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    detached: true,
    stdio: 'pipe',
    env: { PATH: process.env['PATH'], ...env },
  });
  let output = '';
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-KEPT_OUTPUT));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // A process that ends without reading its input is its own affair.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const { promise: exited, resolve } = Promise.withResolvers<number | NodeJS.Signals>();
  child.once('close', (code, signal) => resolve(code ?? signal ?? 1));
  child.once('error', (error) => {
    output += String(error);
    resolve(127);
  });
  const pid = child.pid ?? -1;
  if (pid > 0) groups.add(pid);
  return {
    pid,
    exited,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    stop: (signal = 'SIGTERM') => stopGroup(pid, signal),
  };
}

/** Runs to the end and gives what was written; anything but success is an error that quotes it. */
export async function run(options: ProcessOptions): Promise<string> {
  const running = startProcess(options);
  const code = await running.exited;
  groups.delete(running.pid);
  if (code !== 0) throw new Error(`${options.argv.join(' ')} ended with ${code}: ${running.output().slice(-2000)}`);
  return running.output();
}

// Below those that systems give to outgoing connections: under load one of these would soon have the port.
const PORTS = [15_000, 32_000] as const;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    server.once('error', () => resolve(false));
    const port = randomInt(...PORTS);
    server.listen(port, '127.0.0.1', () => resolve(true));
    if (!(await promise)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/**
 * A folder for one server, which the users it turns into may enter. Always under `/tmp`, since the path of a
 * socket in it may be no longer than 107 octets.
 */
export async function testFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join('/tmp', `${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

/** Servers that were just ended may still be writing: tried again until it is gone. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

async function stopGroup(group: number, signal: NodeJS.Signals): Promise<void> {
  if (group <= 0) return;
  signalGroup(group, signal);
  try {
    await until('the group to end', async () => !(await isAlive(group)), POLITE);
  } catch {
    signalGroup(group, 'SIGKILL');
    await until('the group to be gone', async () => !(await isAlive(group)), POLITE);
  }
  groups.delete(group);
}

/** Whether anybody was there to hear it. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/** Orphans that nobody has buried yet are no longer alive, though a signal still finds them. */
async function isAlive(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return false;
  const names = await readdir('/proc').catch(() => undefined);
  if (names === undefined) return true;
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    const [state, , leader] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(leader) === group && state !== 'Z') return true;
  }
  return false;
}
