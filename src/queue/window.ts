/**
 * The entries in memory: a bounded window of what waits on disk. What is in it is never taken a second time.
 *
 *     admitted ──▶ resolving ──▶ ready ──▶ inFlight ──▶ settling ──▶ gone
 *
 * All but `inFlight` and `settling` can be dropped at any moment: the spool has them. The octets are an
 * estimate of what an entry costs the heap; what counts is that they grow with it.
 */

import { type Instant } from '../lib/time.ts';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { type Route } from '../mail/route.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type Host } from './dispatch.ts';
import { type Site } from './site-state.ts';
import { type Slot } from './slots.ts';

export interface Waiting {
  readonly entry: Entry;
  readonly tenant: string;
  readonly octets: number;
  state: 'admitted' | 'resolving' | 'ready' | 'inFlight' | 'settling';
  route: Route | undefined;
  hosts: readonly Host[];
  sts: StsPolicy | undefined;
  secure: boolean;
  site: Site | undefined;
  slot: Slot | undefined;
  startedAt: Instant;
  /** Of the rules, when it was dispatched. */
  epoch: number;
  /** What follows it in the spool is known, although the attempt is not over. */
  settled: boolean;
}

/** With its place in a queue of its own, of its tenant, of its site: 500 of them. */
const ENTRY_OCTETS = 1000;
const RECIPIENT_OCTETS = 250;

export function costOf(entry: Entry): number {
  let octets = ENTRY_OCTETS + 2 * (entry.lastReply.length + entry.queue.length + entry.routingDomain.length);
  for (const tag of entry.tags ?? []) octets += 50 + tag.length;
  for (const { forwardPath, orcpt } of entry.recipients)
    octets += RECIPIENT_OCTETS + 2 * (forwardPath.localPart.length + forwardPath.domain.length + (orcpt?.length ?? 0));
  return octets;
}

/** The tenant as it stands in the queue's name: encoded, which is as good as its name for telling tenants apart. */
export function tenantOf(queue: string): string {
  return queue.slice(queue.indexOf(':') + 1, queue.lastIndexOf('@'));
}

export class Window {
  readonly #byId = new Map<EntryId, Waiting>();
  readonly #octetsByTenant = new Map<string, number>();
  #octets = 0;

  get size(): number {
    return this.#byId.size;
  }

  get octets(): number {
    return this.#octets;
  }

  octetsOf(tenant: string): number {
    return this.#octetsByTenant.get(tenant) ?? 0;
  }

  get(id: EntryId): Waiting | undefined {
    return this.#byId.get(id);
  }

  add(entry: Entry, state: Waiting['state']): Waiting {
    if (this.#byId.has(entry.id)) throw new Error(`entry ${entry.id} is in the window already`);
    const waiting: Waiting = {
      entry,
      tenant: tenantOf(entry.queue),
      octets: costOf(entry),
      state,
      route: undefined,
      hosts: [],
      sts: undefined,
      secure: false,
      site: undefined,
      slot: undefined,
      startedAt: 0,
      epoch: 0,
      settled: false,
    };
    this.#byId.set(entry.id, waiting);
    this.#count(waiting, waiting.octets);
    return waiting;
  }

  remove(waiting: Waiting): void {
    if (this.#byId.get(waiting.entry.id) !== waiting) return;
    this.#byId.delete(waiting.entry.id);
    this.#count(waiting, -waiting.octets);
  }

  values(): Iterable<Waiting> {
    return this.#byId.values();
  }

  #count({ tenant }: Waiting, octets: number): void {
    this.#octets += octets;
    const own = this.octetsOf(tenant) + octets;
    if (own === 0) this.#octetsByTenant.delete(tenant);
    else this.#octetsByTenant.set(tenant, own);
  }
}

/** Tells it where it goes. */
export function direct(waiting: Waiting, { hosts, sts, secure }: Pick<Waiting, 'hosts' | 'sts' | 'secure'>): void {
  waiting.hosts = hosts;
  waiting.sts = sts;
  waiting.secure = secure;
}
