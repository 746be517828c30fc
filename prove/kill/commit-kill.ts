/**
 * A process killed inside a commit of its store: by the tracer, before the n-th system call of a kind on its file; or
 * by us, while the tracer holds its thread up between the sync and the page that makes it a commit.
 */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from './intervals.ts';
import { type CommitCall } from './attacks.ts';

const SYSTEM_CALLS: Readonly<Record<CommitCall, string>> = {
  // Pages that lie beside each other go together.
  writes: 'writev,pwritev',
  fdatasync: 'fdatasync',
  // Single pages, and now and then, behind the sync, the page that makes it a commit.
  pwrite64: 'pwrite64',
  'last page': 'fdatasync',
};
/** Microseconds for which the thread stands between sync and last page; the kill comes within a few milliseconds. */
const HELD_UP = 5_000_000;
const PATIENCE = 8000;
const BETWEEN_PAGES = 'commit: between its pages';
const BEFORE_SYNC = 'commit: before its sync';
const BEFORE_LAST_PAGE = 'commit: before its last page';
export const COMMIT_POINTS = [BETWEEN_PAGES, BEFORE_SYNC, BEFORE_LAST_PAGE] as const;

export interface CommitKill {
  readonly pid: number;
  readonly spool: string;
  /** Where the trace is written. */
  readonly folder: string;
  readonly call: CommitCall;
  readonly when: number;
}

/** Undefined: everything is there; else what is missing. */
export function whyNoTracer(): string | undefined {
  if (process.platform !== 'linux') return 'kills inside a commit need Linux';
  try {
    execFileSync('strace', ['-qq', '-e', 'trace=none', 'true'], { stdio: 'ignore' });
    if (process.getuid?.() === 0 || ptraceScope() === '0') return undefined;
    return 'kills inside a commit need to trace a process that runs already (kernel.yama.ptrace_scope=0, or root)';
  } catch {
    return 'kills inside a commit need strace';
  }
}

function ptraceScope(): string {
  try {
    return readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'utf8').trim();
  } catch {
    // A kernel without it lets every user trace what is his.
    return '0';
  }
}

/** Resolves with what was killed and when, or undefined when no such call came in time. */
export async function killInCommit(
  options: CommitKill,
): Promise<{ readonly point: string; readonly at: number } | undefined> {
  const { pid, spool, folder, call, when } = options;
  const output = join(folder, 'commit.trace');
  const calls = SYSTEM_CALLS[call];
  const how = call === 'last page' ? `delay_exit=${HELD_UP}` : 'signal=KILL';
  rmSync(output, { force: true });
  const threads = readdirSync(`/proc/${pid}/task`).filter((tid) => isOfPool(pid, tid));
  const argv = [
    ...['-q', '-ttt', '-o', output, '-P', join(spool, 'store', 'data.mdb'), '-e', `trace=${calls}`],
    ...['-e', `inject=${calls}:${how}:when=${when}`],
    ...threads.flatMap((tid) => ['-p', tid]),
  ];
  const tracer = spawn('strace', argv, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => void tracer.once('close', () => resolve()));
  const timer = setTimeout(() => tracer.kill('SIGTERM'), PATIENCE);
  if (call === 'last page') return killHeldUp({ pid, output, ended }).finally(() => clearTimeout(timer));
  await ended;
  clearTimeout(timer);
  return killedIn(readFileSync(output, 'utf8'), Date.now() - monotonic());
}

/** The tracer tells of the sync when that is over, before it holds the thread up. */
async function killHeldUp({
  pid,
  output,
  ended,
}: {
  readonly pid: number;
  readonly output: string;
  readonly ended: Promise<void>;
}): Promise<{ readonly point: string; readonly at: number } | undefined> {
  const over = ended.then(() => true);
  // Soon: what has been answered to the product meanwhile cannot be recorded.
  while (!isHeldUp(output)) if (await Promise.race([over, pause(2, false)])) return undefined;
  const at = monotonic();
  process.kill(pid, 'SIGKILL');
  await ended;
  return { point: BEFORE_LAST_PAGE, at };
}

function isHeldUp(output: string): boolean {
  return existsSync(output) && readFileSync(output, 'utf8').includes('(DELAYED)');
}

/** LMDB writes on the threads of the pool, whichever is free. */
function isOfPool(pid: number, tid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').startsWith('libuv-worker');
  } catch {
    return false;
  }
}

/** Of the page that makes it a commit only the head is written. */
const META = /, 128, \d+/;

/** What the trace says of the call before which the process died. `epoch`: the wall clock less the monotonic one. */
export function killedIn(trace: string, epoch: number): { readonly point: string; readonly at: number } | undefined {
  if (!trace.includes('+++ killed by SIGKILL +++')) return undefined;
  const calls = trace.split('\n').filter((line) => /\d+\.\d+ (?:pwrite64|writev|pwritev|fdatasync)\(/.test(line));
  const last = calls.findLast(
    (line) => line.includes('(INJECTED)') || line.includes('= ?') || line.includes('unfinished'),
  );
  const line = last ?? calls.at(-1);
  const [, seconds, call] = /(\d+\.\d+) (\w+)\(/.exec(line ?? '') ?? [];
  if (line === undefined || seconds === undefined) return undefined;
  return { point: pointOf(call ?? '', line), at: Number(seconds) * 1000 - epoch };
}

function pointOf(call: string, line: string): string {
  if (call === 'fdatasync') return BEFORE_SYNC;
  return META.test(line) ? BEFORE_LAST_PAGE : BETWEEN_PAGES;
}
