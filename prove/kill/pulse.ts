/**
 * A thread that only wants to sleep for a moment, again and again, and notes when it was let sleep for longer: then
 * the machine let nothing run, and no product could have done anything.
 */

import { parentPort, Worker, workerData } from 'node:worker_threads';
import { monotonic } from './intervals.ts';
import { type Stall } from './judge.ts';

const PULSE = 'pulse';
const SLEEP = 2;
/** Later than this is late. */
const LATE = 5;

export interface Pulse {
  readonly stalls: Stall[];
  stop(): Promise<void>;
}

export function startPulse(): Pulse {
  const stalls: Stall[] = [];
  const thread = new Worker(new URL(import.meta.url), { workerData: PULSE, execArgv: [] });
  thread.unref();
  thread.on('message', (stall: Stall) => stalls.push(stall));
  return { stalls, stop: async () => void (await thread.terminate()) };
}

if (parentPort !== null && workerData === PULSE) beat(parentPort);

function beat(port: NonNullable<typeof parentPort>): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let last = monotonic(); ;) {
    Atomics.wait(nobody, 0, 0, SLEEP);
    const now = monotonic();
    if (now - last > SLEEP + LATE) port.postMessage({ from: last + SLEEP, to: now } satisfies Stall);
    last = now;
  }
}
