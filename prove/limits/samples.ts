/** What the probe in each thread of the product has written, read and summed up. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sample {
  readonly at: number;
  readonly pid: number;
  readonly thread: string;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  /** Milliseconds between two turns of the event loop: of the wall, and of the thread's own work. */
  readonly waited: number;
  readonly worked: number;
}

export interface ThreadSummary {
  readonly heapMost: number;
  readonly externalMost: number;
  readonly waitedMost: number;
  readonly workedMost: number;
}

export function samplesIn(folder: string): readonly Sample[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => samplesOf(readFileSync(join(folder, name), 'utf8')));
}

/** A last line without its end is one that was being written. */
export function samplesOf(text: string): readonly Sample[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Sample);
}

/** By the names of the threads, of one process. Threads with the same name are one. */
export function summariesOf(samples: readonly Sample[], pid: number): ReadonlyMap<string, ThreadSummary> {
  const own = samples.filter((sample) => sample.pid === pid);
  const most = (thread: string, figure: (sample: Sample) => number): number =>
    Math.max(...own.filter((sample) => sample.thread === thread).map(figure));
  return new Map(
    [...new Set(own.map(({ thread }) => thread))].map((thread) => [
      thread,
      {
        heapMost: most(thread, ({ heapTotal }) => heapTotal),
        externalMost: most(thread, ({ external }) => external),
        waitedMost: most(thread, ({ waited }) => waited),
        workedMost: most(thread, ({ worked }) => worked),
      },
    ]),
  );
}

/** The most that all threads of the process held together within one second: the garbage of one may be gone when another collects. */
export function heapTogether(samples: readonly Sample[], pid: number): number {
  const seconds = new Map<number, number>();
  for (const { pid: own, at, heapUsed } of samples) {
    if (own !== pid) continue;
    const second = Math.floor(at / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + heapUsed);
  }
  return Math.max(0, ...seconds.values());
}
