/**
 * Who goes next within one site and one class: tenants in turn, then a tenant's queues in turn; fresh and
 * deferred one for one. A tenant with a million waiting costs another with ten nothing.
 */

import { CostRing, DeficitRoundRobin } from '../lib/deficit-round-robin.ts';

export interface FairKey {
  readonly tenant: string;
  readonly queue: string;
  readonly lane: 'fresh' | 'deferred';
}

// An entry of ten recipients costs what ten entries of one cost.
const QUANTUM = 10;

type Queues<T> = DeficitRoundRobin<string, T, CostRing<T>>;
type Tenants<T> = DeficitRoundRobin<string, T, Queues<T>>;

export class FairQueue<T> {
  readonly #lanes: Readonly<Record<FairKey['lane'], Tenants<T>>>;
  #turn: FairKey['lane'] = 'fresh';

  /** `cost` is at least 1. */
  constructor(cost: (value: T) => number) {
    const queues = (): Queues<T> => new DeficitRoundRobin(QUANTUM, () => new CostRing<T>(cost));
    this.#lanes = {
      fresh: new DeficitRoundRobin(QUANTUM, queues),
      deferred: new DeficitRoundRobin(QUANTUM, queues),
    };
  }

  get length(): number {
    return this.#lanes.fresh.length + this.#lanes.deferred.length;
  }

  lengthOf(tenant: string): number {
    return this.#lanes.fresh.lengthOf(tenant) + this.#lanes.deferred.lengthOf(tenant);
  }

  push({ tenant, queue, lane }: FairKey, value: T): void {
    this.#lanes[lane].push(tenant, (queues) => queues.push(queue, (ring) => ring.push(value)));
  }

  shift(): T | undefined {
    const turn = this.#lanes[this.#turn];
    const other: FairKey['lane'] = this.#turn === 'fresh' ? 'deferred' : 'fresh';
    if (turn.length === 0) return this.#lanes[other].shift();
    this.#turn = other;
    return turn.shift();
  }
}
