/**
 * Loaded before the product, in each of its threads: what a planted point calls.
 *
 * A point is armed by one octet of a file, at the point's number: after how many passes of one thread it is hit. A
 * hit writes a line with the time, the system's monotonic one, which other processes have too, and ends the process
 * with the next system call. An octet is read for each pass, so that a point costs little where mail is fast.
 */

import { openSync, readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { threadId, threadName } from 'node:worker_threads';

const numbers = new Map(process.env.POSTRIDER_POINTS.split(',').map((name, number) => [name, number]));
const armed = openSync(process.env.POSTRIDER_ARMED, 'r+');
const hits = openSync(process.env.POSTRIDER_HITS, 'a');
const octet = Buffer.alloc(1);
const OFF = Buffer.alloc(1);
const passes = new Map();
const POLL = 5;
/** The places behind those of threads: since when a commit is under way, or 0; and how many have begun. */
const THREADS = 62;
const UNDER_WAY = 62;
const COMMITS = 63;

process.prove = {
  /** Here the process dies, or the thread with an error that nobody takes. */
  at(name, how = 'kill') {
    if (!isHit(name)) return;
    tell(name);
    if (how === 'throw') throw new Error(`planted: ${name}`);
    process.kill(process.pid, 'SIGKILL');
  },
  /** Acts at whatever the thread is when the point is armed. */
  poll(name, act) {
    setInterval(() => {
      if (!isHit(name)) return;
      tell(name);
      act();
    }, POLL).unref();
  },
};

/**
 * Signs of life of this thread. A beat that comes late though the thread has not used the time itself tells that the
 * machine let it not run; so does a commit that takes its time. Each is written down when it is over, and with each
 * beat the time: what was under way at a kill follows from the last one.
 */
const beats = openSync(process.env.POSTRIDER_BEATS, 'r+');
const stalls = openSync(process.env.POSTRIDER_STALLS, 'a');
const heardOf = openSync(process.env.POSTRIDER_OUTCOMES, 'a');
const BEAT = 5;
const LATE = 1.5;
const QUICK_COMMIT = 2;
const sign = Buffer.alloc(8);
let commits = 0;
let last = now();
let used = cpuTime();

/** The others are on no letter's way. */
if (threadName === 'queue-manager' || threadName === 'worker') setInterval(beat, BEAT).unref();

function beat() {
  const at = now();
  const busy = cpuTime();
  const late = at - last - BEAT - (busy - used);
  if (late > LATE) stalled(at - late, at);
  last = at;
  used = busy;
  note(threadId % THREADS, at);
}

/** Around a commit: what it takes longer than one on a quiet machine is the disk's, or the pool's. */
process.prove.commit = async (commit) => {
  const begun = now();
  commits += 1;
  note(COMMITS, commits);
  note(UNDER_WAY, begun);
  await commit();
  note(UNDER_WAY, 0);
  const at = now();
  if (at - begun > QUICK_COMMIT) stalled(begun + QUICK_COMMIT, at);
};

/**
 * The queue manager hears that recipients were delivered; those that were deferred rightly come again. What is to be
 * recorded is given to the committer when the turn ends, so that how many commits have begun by then is written down a
 * turn later: in one turn any number of them may end and begin.
 */
process.prove.heard = (recipients, outcomes) => {
  const names = recipients
    .filter((_, i) => outcomes[i]?.kind === 'delivered')
    .map(({ forwardPath }) => forwardPath.localPart);
  const at = now();
  if (names.length > 0)
    setImmediate(() => setImmediate(() => writeSync(heardOf, `${commits} ${at} ${names.join(' ')}\n`)));
};

function note(place, value) {
  sign.writeDoubleLE(value);
  writeSync(beats, sign, 0, 8, 8 * place);
}

function stalled(from, to) {
  writeSync(stalls, `${from} ${to}\n`);
}

function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

function cpuTime() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function isHit(name) {
  const number = numbers.get(name);
  if (number === undefined) return false;
  readSync(armed, octet, 0, 1, number);
  const wanted = octet[0];
  if (wanted === 0) return false;
  const passed = (passes.get(name) ?? 0) + 1;
  passes.set(name, passed);
  if (passed < wanted) return false;
  passes.delete(name);
  writeSync(armed, OFF, 0, 1, number);
  return true;
}

function tell(name) {
  writeSync(hits, `${name} ${process.hrtime.bigint()}\n`);
}
