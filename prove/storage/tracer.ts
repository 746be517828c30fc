/** Lets system calls of a running process fail, or take long, by strace: as the kernel would report a failing disk. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { type Running, startProcess } from '../../test/lib/processes.ts';
import { until } from '../../test/lib/wait.ts';

/** Why it cannot be had here; undefined: it can. */
export function withoutTracer(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux only';
  const { status, error } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
  if (error !== undefined) return 'strace is not installed';
  return status === 0 ? undefined : 'strace may not trace here';
}

export interface Injection {
  readonly calls: readonly string[];
  /** As strace writes it: `error=EIO`, `delay_enter=5000`. */
  readonly what: string;
  /** Only calls on this file. */
  readonly path: string;
  /** From the how many-th such call of a thread on. */
  readonly from?: number;
}

/** The process has no life left in it, though threads that are traced may not be buried yet. */
export function isDead(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}

/** All threads of the process, from now on until `end`. */
export async function inject(
  pid: number,
  { calls, what, path, from = 1 }: Injection,
): Promise<{ end(): Promise<void> }> {
  const list = calls.join(',');
  const running: Running = startProcess({
    argv: [
      ...(['strace', '-f', '-o', '/dev/null', '-p', String(pid), '-P', path] as const),
      ...['-e', `trace=${list}`, '-e', `inject=${list}:${what}:when=${from}+`],
    ],
  });
  await until('strace to be attached', () => running.output().includes('attached'));
  return {
    async end() {
      running.signal('SIGINT');
      // It may wait for a call that it delays; a call that it no longer delays goes on.
      await running.stop('SIGKILL');
      await running.exited;
    },
  };
}
