/**
 * Failed logins, counted over all worker threads: at most so many at once, and then one in a time (`lib/gcra.ts`).
 *
 * What is kept of a key is when everything counted so far would be spread out evenly. Where keys collide one may be counted
 * for the other (`shared-times.ts`), but nothing is ever forgotten before its time, however many names are tried.
 */

import { type Rate } from '../lib/gcra.ts';
import { type Instant } from '../lib/time.ts';
import { SharedTimes } from './shared-times.ts';

export class FailureCounts {
  readonly #times: SharedTimes;
  readonly #now: () => Instant;

  /** `now`: a clock that never goes back, the same for all threads. */
  constructor(table: SharedArrayBuffer, now: () => Instant) {
    this.#times = new SharedTimes(table);
    this.#now = now;
  }

  /** Whether the key has used up what may come at once, and no more time has passed since. */
  isSpent(key: string, rate: Rate): boolean {
    return this.#times.of(key) - (rate.burst - 1) * intervalOf(rate) > this.#now();
  }

  /** Never beyond what has been used up: then one more may come after one time, however often he failed. */
  add(key: string, rate: Rate): void {
    const now = BigInt(Math.ceil(this.#now()));
    const interval = BigInt(intervalOf(rate));
    const latest = now + BigInt(rate.burst) * interval;
    this.#times.change(key, (before) => {
      const raised = (before > now ? before : now) + interval;
      // What another rate has put there stays.
      return raised < latest ? raised : before > latest ? before : latest;
    });
  }
}

function intervalOf({ period, amount }: Rate): number {
  return Math.round(period / amount);
}
