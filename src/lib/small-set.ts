/**
 * A set for owners that are many and mostly have none, or one.
 *
 * An empty `Set` takes some two hundred octets, and this two dozen. In the order of insertion, as a `Set`; unlike it, a
 * loop does not see what is added behind the only element while it runs.
 */
export class SmallSet<T> implements Iterable<T> {
  // `undefined` for none, so that it can hold anything but undefined.
  #only: T | undefined;
  #many: Set<T> | undefined;

  get size(): number {
    if (this.#many !== undefined) return this.#many.size;
    return this.#only === undefined ? 0 : 1;
  }

  has(item: T): boolean {
    return this.#many === undefined ? this.#only === item && item !== undefined : this.#many.has(item);
  }

  add(item: T): void {
    if (this.#many !== undefined) this.#many.add(item);
    else if (this.#only === undefined) this.#only = item;
    else if (this.#only !== item) {
      this.#many = new Set([this.#only, item]);
      this.#only = undefined;
    }
  }

  delete(item: T): void {
    if (this.#many === undefined) {
      if (this.#only === item) this.#only = undefined;
      return;
    }
    this.#many.delete(item);
    if (this.#many.size === 0) this.#many = undefined;
  }

  clear(): void {
    this.#only = undefined;
    this.#many = undefined;
  }

  /** The first, without a walk. */
  get first(): T | undefined {
    if (this.#many === undefined) return this.#only;
    const [first] = this.#many;
    return first;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    if (this.#many !== undefined) yield* this.#many;
    else if (this.#only !== undefined) yield this.#only;
  }
}
