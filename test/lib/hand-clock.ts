/** A clock and timers that are moved by hand. */

import { type Clock } from '../../src/ports/clock.ts';
import { type Timer, type Timers } from '../../src/ports/timers.ts';

export class HandClock implements Clock, Timers {
  #now = 1_700_000_000_000;
  #timers: { at: number; wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delay: number, wake: () => void): Timer {
    const timer = { at: this.#now + delay, wake };
    this.#timers.push(timer);
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  /** Moves on, and wakes what is due on the way, in order. */
  advance(by: number): void {
    const end = this.#now + by;
    for (;;) {
      const next = this.#timers.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = end;
  }
}
