/**
 * From where users have logged in lately, known to all worker threads: who tries another's name over and over must not keep
 * its owner out.
 *
 * A table of fixed size in shared memory, of times until which a key is known. A key has a place in each of four rows, and the
 * earliest of the four counts: where all four were taken by others, one is known that is not, which is one in a hundred
 * thousand with ten thousand keys. Only logins that were right put anything in. It outlives the workers, not the server.
 */

import { randomInt } from 'node:crypto';
import { seededHash } from '../lib/seeded-hash.ts';
import { type Duration, type Instant, DAY } from '../lib/time.ts';

const ROWS = 4;
const COLUMNS = 131_072;
/** The seed stands before the rows. */
const HEAD = 1;
const KNOWN_FOR: Duration = 7 * DAY;

export function knownTable(): SharedArrayBuffer {
  const table = new SharedArrayBuffer((HEAD + ROWS * COLUMNS) * BigInt64Array.BYTES_PER_ELEMENT);
  new BigInt64Array(table)[0] = BigInt(randomInt(2 ** 31));
  return table;
}

export class KnownClients {
  readonly #table: BigInt64Array;
  readonly #seed: number;
  readonly #now: () => Instant;

  /** `now`: a clock that never goes back, the same for all threads. */
  constructor(table: SharedArrayBuffer, now: () => Instant) {
    this.#table = new BigInt64Array(table);
    this.#seed = Number(this.#table[0] ?? 0n);
    this.#now = now;
  }

  add(key: string): void {
    const until = BigInt(Math.ceil(this.#now() + KNOWN_FOR));
    // One that is a little earlier, of another thread, does no harm.
    for (const place of this.#places(key)) Atomics.store(this.#table, place, until);
  }

  has(key: string): boolean {
    const now = BigInt(Math.floor(this.#now()));
    return this.#places(key).every((place) => Atomics.load(this.#table, place) > now);
  }

  #places(key: string): readonly number[] {
    return Array.from(
      { length: ROWS },
      (_, row) => HEAD + row * COLUMNS + (seededHash(key, this.#seed + row) % COLUMNS),
    );
  }
}
