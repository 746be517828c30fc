/**
 * The generic cell rate algorithm: at most `amount` per `period`, a burst of `burst` at once.
 *
 * One number of state: the time at which everything admitted so far would have been spread out evenly.
 */

import { type Duration, type Instant } from './time.ts';

export interface Rate {
  readonly amount: number;
  readonly period: Duration;
  /** What may go at once after a rest. At least 1. */
  readonly burst: number;
}

export class Gcra {
  readonly rate: Rate;
  #theoretical: Instant = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate) {
    this.rate = rate;
  }

  /** When the next may go. A cost above the burst may go when the burst is whole, and then takes its time. */
  nextAt(cost = 1): Instant {
    const whole = Math.min(cost, this.rate.burst);
    return this.#theoretical + (whole - this.rate.burst) * this.#interval();
  }

  /** Counts what goes now. The caller has looked at `nextAt`. */
  take(now: Instant, cost = 1): void {
    this.#theoretical = Math.max(this.#theoretical, now) + cost * this.#interval();
  }

  /** The clock went back: what was counted in a future that has not come does not hold mail for ever. */
  bound(now: Instant): void {
    const most = now + Math.max(this.rate.burst, 1) * this.#interval() + this.rate.period;
    if (this.#theoretical > most) this.#theoretical = most;
  }

  #interval(): Duration {
    return this.rate.period / this.rate.amount;
  }
}
