/** Looks at a running product again and again from outside: its memory as the system counts it, and how soon it answers. */

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Control } from '../../src/api/control-client.ts';

export interface Watched {
  /** The most of it, octets: what is its own, and pages of mapped files, which the system may take back. */
  anonymousMost: number;
  filesMost: number;
  anonymousLast: number;
  /** Milliseconds, of a question that the main thread, the queue manager and each worker must answer. */
  answerMost: number;
  answers: number;
  /** The most entries that the scheduler held in memory. */
  heldMost: number;
}

export interface Watch {
  readonly watched: Watched;
  stop(): Promise<void>;
}

const EVERY = 100;
/** Looks between two at the metrics, which cost more. */
const METRICS_EVERY = 5;

export function watch(pid: number, control: Control): Watch {
  const watched: Watched = { anonymousMost: 0, filesMost: 0, anonymousLast: 0, answerMost: 0, answers: 0, heldMost: 0 };
  const ended = new AbortController();
  const running = look(pid, control, watched, ended.signal);
  // Who waits for its end hears of it.
  running.catch(() => undefined);
  return {
    watched,
    stop: async () => {
      ended.abort();
      await running;
    },
  };
}

async function look(pid: number, control: Control, watched: Watched, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const { anonymous, files } = memoryOf(pid);
    watched.anonymousLast = anonymous;
    watched.anonymousMost = Math.max(watched.anonymousMost, anonymous);
    watched.filesMost = Math.max(watched.filesMost, files);
    const asked = performance.now();
    // On a starved machine the asking end gives up first: so long, at least, it took.
    await control.status().catch(() => undefined);
    watched.answerMost = Math.max(watched.answerMost, performance.now() - asked);
    watched.answers += 1;
    if (watched.answers % METRICS_EVERY === 0) await lookAtMetrics(control, watched);
    await pause(EVERY);
  }
}

async function lookAtMetrics(control: Control, watched: Watched): Promise<void> {
  const text = await control.text('/metrics').catch(() => '');
  const held = Number(/^postrider_scheduler_entries (\d+)$/m.exec(text)?.[1] ?? 0);
  watched.heldMost = Math.max(watched.heldMost, held);
}

/** Octets. */
export function memoryOf(pid: number): { readonly anonymous: number; readonly files: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { anonymous: of('RssAnon'), files: of('RssFile') + of('RssShmem') };
}
