/**
 * Loaded before the product, in each of its threads: writes down, each second, what its heap holds and for how long
 * its event loop did not turn. One file for each thread, in the folder that `POSTRIDER_PROBE` names. While a file
 * `collect` lies there, garbage is collected before, so that what is counted is what is in use.
 */

import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, threadId, threadName } from 'node:worker_threads';

const EVERY = 1000;
const TURN = 10;
const MICROSECONDS = 1000;

const thread = isMainThread ? 'main' : threadName;
const folder = process.env.POSTRIDER_PROBE;
const file = join(folder, `${process.pid}-${threadId}.jsonl`);
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
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
  const collected = existsSync(join(folder, 'collect'));
  if (collected) {
    collect();
    // A collection that was asked for is no work of the product.
    last = now();
  }
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const heap = { heapTotal, heapUsed, external, arrayBuffers };
  appendFileSync(
    file,
    `${JSON.stringify({ at: Date.now(), pid: process.pid, thread, collected, ...heap, ...longest })}\n`,
  );
  longest = { waited: 0, worked: 0 };
}
