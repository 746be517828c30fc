/**
 * Real time. In the sandbox and in tests of the built product it can be moved: the offset lives in shared
 * memory, so that all threads move together.
 */

import process from 'node:process';
import { type Clock } from '../ports/clock.ts';

/** Memory for one offset, to be handed to every thread. */
export function clockOffset(): SharedArrayBuffer {
  return new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
}

/** Tells the moved time, but measures with the real one: for deadlines of connections that are open while time is moved. */
export function steadyClock(clock: Clock): Clock {
  return { now: () => clock.now(), monotonic: () => performance.now() };
}

/** Milliseconds, the same for all threads of the process; never goes back. */
export function processClock(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

export class SystemClock implements Clock {
  readonly #offset: Float64Array;

  constructor(offset: SharedArrayBuffer = clockOffset()) {
    this.#offset = new Float64Array(offset);
  }

  now(): number {
    return Date.now() + this.#moved();
  }

  /** Moves with the offset too: a clock that is moved on purpose is no clock that jumped. */
  monotonic(): number {
    return performance.now() + this.#moved();
  }

  /** Milliseconds; only ever forward. */
  advance(by: number): void {
    this.#offset[0] = this.#moved() + Math.max(0, by);
  }

  #moved(): number {
    return this.#offset[0] ?? 0;
  }
}
