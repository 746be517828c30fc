/**
 * Loaded before the product, in each of its threads: writes down, each second, what its heap holds and for how long
 * its event loop did not turn. One file for each thread, in the folder that `POSTRIDER_PROBE` names.
 */

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { isMainThread, threadId, threadName } from 'node:worker_threads';

const EVERY = 1000;
const TURN = 10;
const MICROSECONDS = 1000;

const thread = isMainThread ? 'main' : threadName;
const file = join(process.env.POSTRIDER_PROBE, `${process.pid}-${threadId}.jsonl`);
let last = now();
/** Milliseconds between two turns, beyond the usual: of the wall, and of work of this thread alone. */
let longest = { waited: 0, worked: 0 };

setInterval(turn, TURN).unref();
setInterval(write, EVERY).unref();

function now() {
  const { user, system } = process.threadCpuUsage();
  return { wall: performance.now(), cpu: (user + system) / MICROSECONDS };
}

function turn() {
  const { wall, cpu } = now();
  longest.waited = Math.max(longest.waited, wall - last.wall - TURN);
  longest.worked = Math.max(longest.worked, cpu - last.cpu);
  last = { wall, cpu };
}

function write() {
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const heap = { heapTotal, heapUsed, external, arrayBuffers };
  appendFileSync(file, `${JSON.stringify({ at: Date.now(), pid: process.pid, thread, ...heap, ...longest })}\n`);
  longest = { waited: 0, worked: 0 };
}
