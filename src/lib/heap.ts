/**
 * Times by key, the earliest first: one time for each key, moved or removed in O(log n).
 *
 * Keys of equal time come out in the order in which they were set, so that a run can be repeated exactly.
 */

interface Node<K> {
  readonly key: K;
  time: number;
  order: number;
  index: number;
}

export class TimeHeap<K> {
  readonly #nodes: Node<K>[] = [];
  readonly #byKey = new Map<K, Node<K>>();
  #orders = 0;

  get size(): number {
    return this.#nodes.length;
  }

  /** The earliest time. */
  next(): number | undefined {
    return this.#nodes[0]?.time;
  }

  /** The earliest key. */
  first(): K | undefined {
    return this.#nodes[0]?.key;
  }

  timeOf(key: K): number | undefined {
    return this.#byKey.get(key)?.time;
  }

  /** Sets or moves the time of a key. */
  set(key: K, time: number): void {
    const known = this.#byKey.get(key);
    if (known?.time === time) return;
    const node = known ?? { key, time, order: 0, index: this.#nodes.length };
    node.time = time;
    node.order = this.#orders++;
    if (known === undefined) {
      this.#byKey.set(key, node);
      this.#nodes.push(node);
    }
    this.#up(node);
    this.#down(node);
  }

  /** Sets the time of a key unless it has an earlier one. */
  lower(key: K, time: number): void {
    const known = this.#byKey.get(key);
    if (known === undefined || time < known.time) this.set(key, time);
  }

  remove(key: K): void {
    const node = this.#byKey.get(key);
    if (node === undefined) return;
    this.#byKey.delete(key);
    const last = this.#nodes.pop();
    if (last === undefined || last === node) return;
    this.#place(last, node.index);
    this.#up(last);
    this.#down(last);
  }

  /** Takes out the earliest key whose time is not after `now`. */
  pop(now: number): K | undefined {
    const first = this.#nodes[0];
    if (first === undefined || first.time > now) return undefined;
    this.remove(first.key);
    return first.key;
  }

  #up(node: Node<K>): void {
    while (node.index > 0) {
      const parent = this.#nodes[(node.index - 1) >> 1];
      if (parent === undefined || !before(node, parent)) return;
      this.#swap(node, parent);
    }
  }

  #down(node: Node<K>): void {
    for (;;) {
      const left = this.#nodes[2 * node.index + 1];
      const right = this.#nodes[2 * node.index + 2];
      const least = right !== undefined && left !== undefined && before(right, left) ? right : left;
      if (least === undefined || !before(least, node)) return;
      this.#swap(node, least);
    }
  }

  #swap(a: Node<K>, b: Node<K>): void {
    const at = a.index;
    this.#place(a, b.index);
    this.#place(b, at);
  }

  #place(node: Node<K>, index: number): void {
    this.#nodes[index] = node;
    node.index = index;
  }
}

function before(a: Node<unknown>, b: Node<unknown>): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
