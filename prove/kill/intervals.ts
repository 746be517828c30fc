/** Which transactions were open at an instant that is known only afterwards. */

import process from 'node:process';

/** The system's monotonic clock, the same for all processes, in milliseconds. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface Interval {
  readonly from: number;
  to: number;
}

/** Beyond that nobody asks any more. */
const KEPT = 5000;

export class Intervals {
  #kept: Interval[] = [];
  #open = 0;

  get open(): number {
    return this.#open;
  }

  begin(): Interval {
    const now = monotonic();
    if (this.#kept.length > KEPT) this.#kept = this.#kept.filter(({ to }) => to > now - KEPT);
    const interval = { from: now, to: Infinity };
    this.#kept.push(interval);
    this.#open += 1;
    return interval;
  }

  end(interval: Interval): void {
    if (interval.to !== Infinity) return;
    interval.to = monotonic();
    this.#open -= 1;
  }

  openAt(instant: number): number {
    return this.#kept.filter(({ from, to }) => from <= instant && to >= instant).length;
  }
}
