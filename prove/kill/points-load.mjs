/**
 * Loaded before the product, in each of its threads: what a planted point calls.
 *
 * A point is armed by one octet of a file, at the point's number: after how many passes of one thread it is hit. A
 * hit writes a line with the time, the system's monotonic one, which other processes have too, and ends the process
 * with the next system call. An octet is read for each pass, so that a point costs little where mail is fast.
 */

import { openSync, readSync, writeSync } from 'node:fs';
import process from 'node:process';

const numbers = new Map(process.env.POSTRIDER_POINTS.split(',').map((name, number) => [name, number]));
const armed = openSync(process.env.POSTRIDER_ARMED, 'r+');
const hits = openSync(process.env.POSTRIDER_HITS, 'a');
const octet = Buffer.alloc(1);
const OFF = Buffer.alloc(1);
const passes = new Map();
const POLL = 5;

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
