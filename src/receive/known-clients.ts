/**
 * From where users have logged in lately, known to all worker threads: who tries another's name over and over must not keep
 * its owner out.
 *
 * What is kept of a key is until when it is known. Only logins that were right put anything in; where keys collide one is
 * known that is not (`shared-times.ts`), which is one in a hundred thousand with ten thousand keys.
 */

import { type Duration, type Instant, DAY } from '../lib/time.ts';
import { SharedTimes } from './shared-times.ts';

const KNOWN_FOR: Duration = 7 * DAY;

export class KnownClients {
  readonly #times: SharedTimes;
  readonly #now: () => Instant;

  /** `now`: a clock that never goes back, the same for all threads. */
  constructor(table: SharedArrayBuffer, now: () => Instant) {
    this.#times = new SharedTimes(table);
    this.#now = now;
  }

  add(key: string): void {
    const until = BigInt(Math.ceil(this.#now() + KNOWN_FOR));
    this.#times.change(key, () => until);
  }

  has(key: string): boolean {
    return this.#times.of(key) > this.#now();
  }
}
