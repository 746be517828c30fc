/** What the probe in each thread of the product has written, read and summed up. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sample {
  readonly at: number;
  readonly pid: number;
  readonly thread: string;
  /** Without garbage. */
  readonly collected: boolean;
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

/** What all threads of the process have in use, by the last sample of each since then; undefined while one is missing. */
export function inUse(samples: readonly Sample[], { pid, since }: { pid: number; since: number }): number | undefined {
  const threads = new Set(samples.filter((sample) => sample.pid === pid).map(({ thread }) => thread));
  let octets = 0;
  for (const thread of threads) {
    const last = samples.findLast(
      (sample) => sample.pid === pid && sample.thread === thread && sample.collected && sample.at >= since,
    );
    if (last === undefined) return undefined;
    octets += last.heapUsed + last.external;
  }
  return octets;
}
