/**
 * A map that never weighs more than its limit: the least recently used entries make room.
 *
 * The order is a linked list and not the order of a `Map`: finding the oldest key of a big `Map` from which
 * many were deleted walks over all their remains.
 */

interface Link<K, V> {
  readonly key: K;
  value: V;
  weight: number;
  older: Link<K, V> | undefined;
  newer: Link<K, V> | undefined;
}

export class Lru<K, V> {
  readonly #limit: number;
  readonly #weigh: (value: V, key: K) => number;
  readonly #links = new Map<K, Link<K, V>>();
  #oldest: Link<K, V> | undefined;
  #newest: Link<K, V> | undefined;
  #weight = 0;

  /** Without `weigh` the limit counts entries. */
  constructor(limit: number, weigh: (value: V, key: K) => number = () => 1) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  get size(): number {
    return this.#links.size;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Counts as use. */
  get(key: K): V | undefined {
    const link = this.#links.get(key);
    if (link === undefined) return undefined;
    if (link !== this.#newest) {
      this.#unlink(link);
      this.#append(link);
    }
    return link.value;
  }

  /** What weighs more than the whole limit is not kept, and neither is what the key had before. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.#weigh(value, key);
    if (weight > this.#limit) return;
    while (this.#oldest !== undefined && this.#weight + weight > this.#limit) this.delete(this.#oldest.key);
    const link = { key, value, weight, older: undefined, newer: undefined };
    this.#links.set(key, link);
    this.#weight += weight;
    this.#append(link);
  }

  delete(key: K): boolean {
    const link = this.#links.get(key);
    if (link === undefined) return false;
    this.#links.delete(key);
    this.#weight -= link.weight;
    this.#unlink(link);
    return true;
  }

  clear(): void {
    this.#links.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#weight = 0;
  }

  /** From the least recently used on; does not count as use. */
  *entries(): IterableIterator<[K, V]> {
    for (let link = this.#oldest; link !== undefined; link = link.newer) yield [link.key, link.value];
  }

  #append(link: Link<K, V>): void {
    link.older = this.#newest;
    link.newer = undefined;
    if (this.#newest === undefined) this.#oldest = link;
    else this.#newest.newer = link;
    this.#newest = link;
  }

  #unlink(link: Link<K, V>): void {
    if (link.older === undefined) this.#oldest = link.newer;
    else link.older.newer = link.newer;
    if (link.newer === undefined) this.#newest = link.older;
    else link.newer.older = link.older;
  }
}
