/**
 * A thread that does nothing: how late its timers are is how late the machine is. The prover itself is busy being
 * the bad neighbours, so it cannot measure that in its own loop.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import { type Delay } from './judge.ts';

const RESOLUTION_MS = 20;
const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
histogram.enable();

parentPort?.on('message', () => {
  const delay: Delay = { p99: late(histogram.percentile(99)), max: late(histogram.max) };
  parentPort?.postMessage(delay, []);
  histogram.reset();
});

function late(betweenNs: number): number {
  return Math.max(0, betweenNs / 1e6 - RESOLUTION_MS);
}
