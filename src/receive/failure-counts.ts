/**
 * Failed logins, counted over all worker threads: at most so many at once, and then one in a time (`lib/gcra.ts`).
 *
 * A table of fixed size in shared memory, of times at which everything counted so far would be spread out evenly. A key has a
 * place in each of four rows, and the earliest of the four counts: where keys collide in every row one may be counted for the
 * other, but nothing is ever forgotten before its time, however many names are tried. The seed keeps a client from choosing
 * what it collides with. It outlives the workers.
 */

import { randomInt } from 'node:crypto';
import { type Rate } from '../lib/gcra.ts';
import { seededHash } from '../lib/seeded-hash.ts';
import { type Instant } from '../lib/time.ts';

const ROWS = 4;
const COLUMNS = 131_072;
/** The seed stands before the rows. */
const HEAD = 1;

export function failureTable(): SharedArrayBuffer {
  const table = new SharedArrayBuffer((HEAD + ROWS * COLUMNS) * BigInt64Array.BYTES_PER_ELEMENT);
  new BigInt64Array(table)[0] = BigInt(randomInt(2 ** 31));
  return table;
}

export class FailureCounts {
  readonly #table: BigInt64Array;
  readonly #seed: number;
  readonly #now: () => Instant;

  /** `now`: a clock that never goes back, the same for all threads. */
  constructor(table: SharedArrayBuffer, now: () => Instant) {
    this.#table = new BigInt64Array(table);
    this.#seed = Number(this.#table[0] ?? 0n);
    this.#now = now;
  }

  /** Whether the key has used up what may come at once, and no more time has passed since. */
  isSpent(key: string, rate: Rate): boolean {
    const spreadOut = Math.min(...this.#places(key).map((place) => Number(Atomics.load(this.#table, place))));
    return spreadOut - (rate.burst - 1) * intervalOf(rate) > this.#now();
  }

  add(key: string, rate: Rate): void {
    const now = BigInt(Math.ceil(this.#now()));
    const interval = BigInt(intervalOf(rate));
    const latest = now + BigInt(rate.burst) * interval;
    for (const place of this.#places(key)) this.#raise(place, { now, interval, latest });
  }

  /** Never beyond `latest`: whoever has used up everything has one more after one time, however often he failed. */
  #raise(
    place: number,
    { now, interval, latest }: { readonly now: bigint; readonly interval: bigint; readonly latest: bigint },
  ): void {
    for (;;) {
      const before = Atomics.load(this.#table, place);
      const raised = (before > now ? before : now) + interval;
      // What another rate has put there stays.
      const after = raised < latest ? raised : before > latest ? before : latest;
      if (Atomics.compareExchange(this.#table, place, before, after) === before) return;
    }
  }

  #places(key: string): readonly number[] {
    return Array.from(
      { length: ROWS },
      (_, row) => HEAD + row * COLUMNS + (seededHash(key, this.#seed + row) % COLUMNS),
    );
  }
}

function intervalOf({ period, amount }: Rate): number {
  return Math.round(period / amount);
}
