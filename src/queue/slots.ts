/**
 * Slots: the connections that are allowed now, and the workers that hold them.
 *
 * A slot belongs to one site, one source and one worker for its whole life. It is idle or busy; only idle
 * ones are closed by us.
 *
 * Part of all of them is for sites that are known to be quick: those that take mail an octet at a time may be many, and
 * everybody else's mail is not to wait until each of them is given up.
 */

import { TimeHeap } from '../lib/heap.ts';
import { type Instant } from '../lib/time.ts';
import { type SlotId } from './dispatch.ts';
import { type EgressPath } from './egress-path.ts';
import { type WorkerId } from './scheduling.ts';
import { type Site, type SiteSource } from './site-state.ts';
import { type Waiting } from './window.ts';

/** Of the site when the slot was opened: it takes mail quickly, or nothing is known of it, or it is slow. */
export type SlotKind = 'quick' | 'other';

export interface Slot {
  readonly id: SlotId;
  readonly kind: SlotKind;
  readonly worker: Worker;
  readonly site: Site;
  readonly at: SiteSource;
  readonly path: EgressPath;
  /** On it now, in order; the first is running. */
  readonly dispatches: Set<Waiting>;
  /** Dispatches since the connection was opened. */
  used: number;
}

export interface Worker {
  readonly id: WorkerId;
  /** Dispatches it may have at once. */
  readonly capacity: number;
  readonly slots: Set<Slot>;
  inFlight: number;
}

/** Of all, for sites that are quick. */
const QUICK_SHARE = 1 / 4;
/** Of all, idle ones: each takes memory here and at its next hop, and with so many few are used again. */
const IDLE_SHARE = 1 / 8;

export class Slots {
  readonly #byId = new Map<SlotId, Slot>();
  readonly #workers = new Map<WorkerId, Worker>();
  /** When idle slots are closed. */
  readonly #idle: Readonly<Record<SlotKind, TimeHeap<Slot>>> = { quick: new TimeHeap(), other: new TimeHeap() };
  /** The same by path, the one that rests longest first. */
  readonly #idleByPath = new Map<EgressPath, Set<Slot>>();
  #ids = 0;
  #others = 0;

  get size(): number {
    return this.#byId.size;
  }

  get idleCount(): number {
    return this.#idle.quick.size + this.#idle.other.size;
  }

  get(id: SlotId): Slot | undefined {
    return this.#byId.get(id);
  }

  worker(id: WorkerId): Worker | undefined {
    return this.#workers.get(id);
  }

  join(id: WorkerId, capacity: number): void {
    if (!this.#workers.has(id)) this.#workers.set(id, { id, capacity, slots: new Set(), inFlight: 0 });
  }

  leave(id: WorkerId): void {
    this.#workers.delete(id);
  }

  /** The worker with the least to do that may have more. There are few workers, so all are looked at. */
  leastBusy(): Worker | undefined {
    let best: Worker | undefined;
    for (const worker of this.#workers.values())
      if (worker.inFlight < worker.capacity && (best === undefined || loadOf(worker) < loadOf(best))) best = worker;
    return best;
  }

  open(worker: Worker, { kind, site, at, path }: Pick<Slot, 'kind' | 'site' | 'at' | 'path'>, now: Instant): Slot {
    const slot: Slot = { id: ++this.#ids, kind, worker, site, at, path, dispatches: new Set(), used: 0 };
    this.#byId.set(slot.id, slot);
    if (kind === 'other') this.#others++;
    worker.slots.add(slot);
    at.slots++;
    site.slots++;
    path.opened(now);
    return slot;
  }

  /** A dispatch begins, or waits, on the slot. */
  put(slot: Slot, waiting: Waiting): void {
    if (slot.dispatches.size === 0) {
      slot.path.busy++;
      this.#unidle(slot);
    }
    slot.dispatches.add(waiting);
    slot.used++;
    slot.worker.inFlight++;
    slot.at.inFlight++;
    // Behind those that were given one before: each in turn.
    slot.at.spare.delete(slot);
    this.#listSpare(slot);
  }

  /** A dispatch on the slot is over. */
  take(slot: Slot, waiting: Waiting): void {
    if (!slot.dispatches.delete(waiting)) return;
    slot.worker.inFlight--;
    slot.at.inFlight--;
    if (slot.dispatches.size === 0) slot.path.busy--;
    this.#listSpare(slot);
  }

  /** The slot has an open connection and nothing to do until `until`. */
  rest(slot: Slot, until: Instant): void {
    this.#idle[slot.kind].set(slot, until);
    slot.at.idle.push(slot);
    const same = this.#idleByPath.get(slot.path);
    if (same === undefined) this.#idleByPath.set(slot.path, new Set([slot]));
    else same.add(slot);
    slot.at.spare.delete(slot);
  }

  /** The slot is gone. Its dispatches are no longer counted. */
  remove(slot: Slot): void {
    if (!this.#byId.delete(slot.id)) return;
    for (const waiting of slot.dispatches) this.take(slot, waiting);
    this.#unidle(slot);
    slot.at.spare.delete(slot);
    slot.worker.slots.delete(slot);
    if (slot.kind === 'other') this.#others--;
    slot.at.slots--;
    slot.site.slots--;
    slot.path.slots--;
  }

  /** For one more, of at most so many: `free`, or the idle one to close for it, or `none`. */
  roomFor(kind: SlotKind, most: number): 'free' | 'none' | Slot {
    if (kind === 'other' && this.#others >= Math.ceil(most * (1 - QUICK_SHARE)))
      return this.#idle.other.first() ?? 'none';
    return this.size < most ? 'free' : (this.#idle[this.#nextToRest].first() ?? 'none');
  }

  /** An idle one that is too many, of at most so many slots. */
  surplus(most: number): Slot | undefined {
    return this.idleCount > Math.ceil(most * IDLE_SHARE) ? this.#idle[this.#nextToRest].first() : undefined;
  }

  /** The slot of the path that rests longest. */
  idleOn(path: EgressPath): Slot | undefined {
    return this.#idleByPath.get(path)?.values().next().value;
  }

  nextRestEnd(): Instant | undefined {
    return this.#idle[this.#nextToRest].next();
  }

  /** A slot whose rest is over. */
  rested(now: Instant): Slot | undefined {
    return this.#idle[this.#nextToRest].pop(now);
  }

  /** Where the one is whose rest ends first. */
  get #nextToRest(): SlotKind {
    const { quick, other } = this.#idle;
    return (quick.next() ?? Number.POSITIVE_INFINITY) <= (other.next() ?? Number.POSITIVE_INFINITY) ? 'quick' : 'other';
  }

  #unidle(slot: Slot): void {
    this.#idle[slot.kind].remove(slot);
    const same = this.#idleByPath.get(slot.path);
    same?.delete(slot);
    if (same?.size === 0) this.#idleByPath.delete(slot.path);
    const place = slot.at.idle.indexOf(slot);
    if (place !== -1) slot.at.idle.splice(place, 1);
  }

  #listSpare(slot: Slot): void {
    const { dispatches, used, path, at } = slot;
    const spare = dispatches.size > 0 && dispatches.size < path.depth && used < path.limits.messagesPerConnection;
    if (spare) at.spare.add(slot);
    else at.spare.delete(slot);
  }
}

/** An idle connection costs a worker far less than a dispatch. */
function loadOf({ inFlight, slots }: Worker): number {
  return inFlight + slots.size / 16;
}
