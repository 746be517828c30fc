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
  readonly #cost: (value: T) => number;
  // Made when something waits there and dropped with the last of it: an empty one takes some 300 octets, and sites are many.
  #fresh: Tenants<T> | undefined;
  #deferred: Tenants<T> | undefined;
  #turn: FairKey['lane'] = 'fresh';

  /** `cost` is at least 1. */
  constructor(cost: (value: T) => number) {
    this.#cost = cost;
  }

  get length(): number {
    return (this.#fresh?.length ?? 0) + (this.#deferred?.length ?? 0);
  }

  lengthOf(tenant: string): number {
    return (this.#fresh?.lengthOf(tenant) ?? 0) + (this.#deferred?.lengthOf(tenant) ?? 0);
  }

  push({ tenant, queue, lane }: FairKey, value: T): void {
    this.#laneOf(lane).push(tenant, (queues) => queues.push(queue, (ring) => ring.push(value)));
  }

  shift(): T | undefined {
    const other: FairKey['lane'] = this.#turn === 'fresh' ? 'deferred' : 'fresh';
    if (this.#waitsIn(this.#turn) === undefined) return this.#shiftOf(other);
    const turn = this.#turn;
    this.#turn = other;
    return this.#shiftOf(turn);
  }

  #waitsIn(lane: FairKey['lane']): Tenants<T> | undefined {
    return lane === 'fresh' ? this.#fresh : this.#deferred;
  }

  #shiftOf(lane: FairKey['lane']): T | undefined {
    const tenants = this.#waitsIn(lane);
    const value = tenants?.shift();
    if (tenants?.length === 0) this.#set(lane, undefined);
    return value;
  }

  #laneOf(lane: FairKey['lane']): Tenants<T> {
    const known = this.#waitsIn(lane);
    if (known !== undefined) return known;
    const cost = this.#cost;
    const made: Tenants<T> = new DeficitRoundRobin(
      QUANTUM,
      () => new DeficitRoundRobin(QUANTUM, () => new CostRing<T>(cost)),
    );
    this.#set(lane, made);
    return made;
  }

  #set(lane: FairKey['lane'], tenants: Tenants<T> | undefined): void {
    if (lane === 'fresh') this.#fresh = tenants;
    else this.#deferred = tenants;
  }
}
