/**
 * How many connections there are, counted over all worker threads.
 *
 * A table of fixed size in shared memory. Each worker writes a region of its own and reads all of them, so counting
 * takes no lock, and the counts of a worker that died are cleared with its region. A key has a place in each of four
 * rows, and its count is the least of the four: where keys collide it may be too high, never too low, and a key's
 * count is too high only if it collides in every row. The seed keeps a client from choosing what it collides with.
 */

import { randomInt } from 'node:crypto';
import { parseIp } from '../lib/ip.ts';
import { seededHash } from '../lib/seeded-hash.ts';

export interface ConnectionCounts {
  /** Counts one more; how many there are now. */
  add(key: string): number;
  /** Takes back one `add`. */
  remove(key: string): void;
}

const ROWS = 4;
const COLUMNS = 4096;
const REGION = ROWS * COLUMNS;
/** The seed stands before the regions. */
const HEAD = 1;
const MOST_WORKERS = 64;

/** Shared memory for the counts of this many workers. */
export function connectionCounts(workers: number = MOST_WORKERS): SharedArrayBuffer {
  const table = new SharedArrayBuffer((HEAD + workers * REGION) * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(table)[0] = randomInt(2 ** 31);
  return table;
}

export class SharedCounts implements ConnectionCounts {
  readonly #table: Int32Array;
  readonly #region: number;
  readonly #seed: number;

  /** `worker` is a number from 0. It begins with nothing: what a dead one in its place had counted is forgotten. */
  constructor(table: SharedArrayBuffer, worker: number) {
    this.#table = new Int32Array(table);
    this.#region = HEAD + worker * REGION;
    this.#seed = this.#table[0] ?? 0;
    if (this.#region + REGION > this.#table.length) throw new Error(`the table has no room for worker ${worker}`);
    for (let place = 0; place < REGION; place += 1) Atomics.store(this.#table, this.#region + place, 0);
  }

  add(key: string): number {
    return Math.min(...this.#places(key).map((place) => this.#changed(place, 1)));
  }

  remove(key: string): void {
    for (const place of this.#places(key)) this.#changed(place, -1);
  }

  /** The sum over all workers after the change. */
  #changed(place: number, by: 1 | -1): number {
    Atomics.add(this.#table, this.#region + place, by);
    let sum = 0;
    for (let at = HEAD + place; at < this.#table.length; at += REGION) sum += Atomics.load(this.#table, at);
    return sum;
  }

  #places(key: string): readonly number[] {
    return Array.from({ length: ROWS }, (_, row) => row * COLUMNS + (seededHash(key, this.#seed + row) % COLUMNS));
  }
}

/** Whose connections are counted together: one IPv4 address, or one IPv6 network of 64 bits, which is one site's. */
export function clientKey(address: string): string {
  const ip = parseIp(address);
  if (!ip.ok) return address;
  return ip.value.family === 4 ? `4/${ip.value.value}` : `6/${ip.value.value >> 64n}`;
}
