/**
 * How far the wall clock of the product is moved: milliseconds, in the file named by `POSTRIDER_WALL_SHIFT`. It is
 * moved against the monotonic clock, as when somebody sets it, or when a machine has the wrong time at boot.
 */

import { readFileSync } from 'node:fs';
import process from 'node:process';

const READ_EVERY = 5;

let shift = 0;
let readAt = -Infinity;

export function wallShift() {
  if (performance.now() - readAt < READ_EVERY) return shift;
  readAt = performance.now();
  shift = Number(readFileSync(process.env.POSTRIDER_WALL_SHIFT, 'utf8'));
  return shift;
}
