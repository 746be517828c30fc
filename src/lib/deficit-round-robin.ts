/**
 * Deficit round-robin: flows take turns by the cost of what they hold, not by how much of it there is.
 *
 * Flows are themselves queues with a cost at their head, so that round-robins can be nested. Each operation
 * is O(1) amortized while no cost is more than a few quanta.
 */

import { Ring } from './ring.ts';

/** What can be a flow. */
export interface CostQueue<T> {
  readonly length: number;
  /** Of what `shift` gives next. Asked only of a queue that is not empty. */
  headCost(): number;
  shift(): T | undefined;
}

interface Flow<K, Q> {
  readonly key: K;
  readonly queue: Q;
  deficit: number;
}

export class DeficitRoundRobin<K, T, Q extends CostQueue<T>> implements CostQueue<T> {
  readonly #flows = new Map<K, Flow<K, Q>>();
  /** Flows that are not empty; the first has the turn. */
  readonly #turns = new Ring<Flow<K, Q>>();
  readonly #quantum: number;
  readonly #makeQueue: () => Q;
  #length = 0;

  constructor(quantum: number, makeQueue: () => Q) {
    this.#quantum = quantum;
    this.#makeQueue = makeQueue;
  }

  get length(): number {
    return this.#length;
  }

  get flows(): number {
    return this.#flows.size;
  }

  lengthOf(key: K): number {
    return this.#flows.get(key)?.queue.length ?? 0;
  }

  queueOf(key: K): Q | undefined {
    return this.#flows.get(key)?.queue;
  }

  /** Lets `put` add exactly one element to the flow. */
  push(key: K, put: (queue: Q) => void): void {
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      flow = { key, queue: this.#makeQueue(), deficit: this.#quantum };
      this.#flows.set(key, flow);
      this.#turns.push(flow);
    }
    put(flow.queue);
    this.#length++;
  }

  headCost(): number {
    return this.#turn()?.queue.headCost() ?? 0;
  }

  shift(): T | undefined {
    const flow = this.#turn();
    if (flow === undefined) return undefined;
    flow.deficit -= flow.queue.headCost();
    const value = flow.queue.shift();
    this.#length--;
    if (flow.queue.length === 0) {
      // An empty flow is forgotten: it does not save up turns for later.
      this.#turns.shift();
      this.#flows.delete(flow.key);
    }
    return value;
  }

  /** The flow that may go next, with a deficit that covers its head. */
  #turn(): Flow<K, Q> | undefined {
    for (;;) {
      const flow = this.#turns.peek();
      if (flow === undefined || flow.deficit >= flow.queue.headCost()) return flow;
      flow.deficit += this.#quantum;
      this.#turns.shift();
      this.#turns.push(flow);
    }
  }
}

/** A plain queue as a flow. */
export class CostRing<T> implements CostQueue<T> {
  readonly #ring = new Ring<T>();
  readonly #cost: (value: T) => number;

  constructor(cost: (value: T) => number) {
    this.#cost = cost;
  }

  get length(): number {
    return this.#ring.length;
  }

  push(value: T): void {
    this.#ring.push(value);
  }

  headCost(): number {
    const head = this.#ring.peek();
    return head === undefined ? 0 : this.#cost(head);
  }

  shift(): T | undefined {
    return this.#ring.shift();
  }
}
