/**
 * A time for each key, shared by all threads: a table of fixed size in shared memory, however many keys are tried.
 *
 * A key has a place in each of four rows, and the earliest of the four times is its own: another key decides it only where
 * others collide with it in every row. The seed keeps a client from choosing what it collides with. The table outlives
 * the workers, not the server.
 */

import { randomInt } from 'node:crypto';
import { seededHash } from '../lib/seeded-hash.ts';
import { type Instant } from '../lib/time.ts';

const ROWS = 4;
const COLUMNS = 131_072;
/** The seed stands before the rows. */
const HEAD = 1;

export function timeTable(): SharedArrayBuffer {
  const table = new SharedArrayBuffer((HEAD + ROWS * COLUMNS) * BigInt64Array.BYTES_PER_ELEMENT);
  new BigInt64Array(table)[0] = BigInt(randomInt(2 ** 31));
  return table;
}

export class SharedTimes {
  readonly #table: BigInt64Array;
  readonly #seed: number;

  /** Of `timeTable`. */
  constructor(table: SharedArrayBuffer) {
    this.#table = new BigInt64Array(table);
    this.#seed = Number(this.#table[0] ?? 0n);
  }

  of(key: string): Instant {
    return Math.min(...this.#places(key).map((place) => Number(Atomics.load(this.#table, place))));
  }

  /** Each of the key's four times becomes what `next` makes of it, whatever other threads do meanwhile. */
  change(key: string, next: (before: bigint) => bigint): void {
    for (const place of this.#places(key)) this.#changeAt(place, next);
  }

  #changeAt(place: number, next: (before: bigint) => bigint): void {
    for (;;) {
      const before = Atomics.load(this.#table, place);
      if (Atomics.compareExchange(this.#table, place, before, next(before)) === before) return;
    }
  }

  #places(key: string): readonly number[] {
    return Array.from(
      { length: ROWS },
      (_, row) => HEAD + row * COLUMNS + (seededHash(key, this.#seed + row) % COLUMNS),
    );
  }
}
