/** What is known of a site and of its group while mail for them is in memory. Data; others decide. */

import { SmallSet } from '../lib/small-set.ts';
import { type Instant } from '../lib/time.ts';
import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';
import { Backoff } from './backoff.ts';
import { ClassTurn } from './class-turn.ts';
import { EgressPath } from './egress-path.ts';
import { FairQueue } from './fair-queue.ts';
import { type LaneReader } from './lanes.ts';
import { type Pace } from './pace.ts';
import { type Slot } from './slots.ts';
import { type Waiting } from './window.ts';

/** A site seen from one source. */
export interface SiteSource {
  readonly source: string;
  readonly backoff: Backoff;
  /** Slots with an open connection and nothing to do, the last used at the end. */
  readonly idle: Slot[];
  /** Busy slots on which another dispatch may be queued. */
  readonly spare: SmallSet<Slot>;
  slots: number;
  inFlight: number;
  lastSuccessAt: Instant;
  /** When it last took a message quickly; nothing since took long. */
  quickAt: Instant;
}

type ByClass<T> = Record<PriorityClass, FairQueue<T> | undefined>;

export class Site {
  readonly name: string;
  readonly group: SiteGroup;
  readonly sources: ReadonlyMap<string, SiteSource>;
  /** Host names of the MX set it was last seen with. */
  hosts: ReadonlySet<string>;
  /** Cached resolutions that lead here. */
  resolutions = 0;
  slots = 0;
  /** Entries of this site in memory that are not ready: in flight or being settled. */
  taken = 0;
  /** Reads of its lanes that are not answered. */
  reads = 0;
  readyCount = 0;
  hungryCount = 0;
  /** Lanes that wait in `hungry`. */
  readonly hungryReaders = new SmallSet<LaneReader>();
  // Objects with a place for each class: a map, even an empty one, takes four times as much, and sites are many.
  readonly #ready: ByClass<Waiting> = { transactional: undefined, normal: undefined, bulk: undefined };
  readonly #hungry: ByClass<LaneReader> = { transactional: undefined, normal: undefined, bulk: undefined };

  constructor(name: string, group: SiteGroup, hosts: ReadonlySet<string>) {
    this.name = name;
    this.group = group;
    this.hosts = hosts;
    this.sources = new Map([...group.paths.keys()].map((source) => [source, siteSource(source)]));
  }

  /** When it may be tried: the earliest of its sources. In the past: now. */
  blockedUntil(): Instant {
    let until = Number.POSITIVE_INFINITY;
    for (const { backoff } of this.sources.values()) until = Math.min(until, backoff.until);
    return until;
  }

  /** Refusals in a row on the source that was refused least. */
  get refusals(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { backoff } of this.sources.values()) least = Math.min(least, backoff.refusals);
    return least;
  }

  ready(priority: PriorityClass): FairQueue<Waiting> {
    return (this.#ready[priority] ??= new FairQueue(recipientsOf));
  }

  /** Lanes with more on disk. */
  hungry(priority: PriorityClass): FairQueue<LaneReader> {
    return (this.#hungry[priority] ??= new FairQueue(one));
  }

  readyIn(priority: PriorityClass): number {
    return this.#ready[priority]?.length ?? 0;
  }

  hungryIn(priority: PriorityClass): number {
    return this.#hungry[priority]?.length ?? 0;
  }

  /** Of one tenant. */
  readyFor(priority: PriorityClass, tenant: string): number {
    return this.#ready[priority]?.lengthOf(tenant) ?? 0;
  }

  pushReady(waiting: Waiting): void {
    const { entry, tenant } = waiting;
    const lane = entry.lane === 'fresh' ? 'fresh' : 'deferred';
    this.ready(entry.class).push({ tenant, queue: entry.queue, lane }, waiting);
    this.readyCount++;
  }

  /** The next that is still ready: one that was withdrawn stays in its queue until its turn, and is passed over. */
  shiftReady(priority: PriorityClass): Waiting | undefined {
    for (;;) {
      const waiting = this.#ready[priority]?.shift();
      if (waiting === undefined) return undefined;
      this.readyCount--;
      if (waiting.state === 'ready') return waiting;
    }
  }

  pushHungry(reader: LaneReader): void {
    const { ref, tenant } = reader;
    const lane = ref.lane === 'fresh' ? 'fresh' : 'deferred';
    this.hungry(ref.class).push({ tenant, queue: ref.queue, lane }, reader);
    this.hungryReaders.add(reader);
    this.hungryCount++;
  }

  shiftHungry(priority: PriorityClass): LaneReader | undefined {
    const reader = this.#hungry[priority]?.shift();
    if (reader === undefined) return undefined;
    this.hungryReaders.delete(reader);
    this.hungryCount--;
    return reader;
  }

  /** Nothing of it is in memory but what was learned. */
  get quiet(): boolean {
    return this.slots + this.taken + this.readyCount + this.hungryCount + this.reads === 0;
  }
}

export class SiteGroup {
  readonly name: string;
  pace: Pace;
  readonly paths: ReadonlyMap<string, EgressPath>;
  readonly sites = new SmallSet<Site>();
  readonly turn = new ClassTurn();
  /** Sites with something ready that may be tried, by class, in turn. */
  readonly runnable: Readonly<Record<PriorityClass, SmallSet<Site>>>;
  /** Turns of the sources. */
  sourceTurn = 0;

  constructor(pace: Pace, sources: readonly string[]) {
    this.name = pace.group;
    this.pace = pace;
    this.paths = new Map(sources.map((source) => [source, new EgressPath(pace.group, source, pace.values)]));
    this.runnable = { transactional: new SmallSet(), normal: new SmallSet(), bulk: new SmallSet() };
  }

  /** Whether more than one site of the group waits to be tried. */
  get contested(): boolean {
    let one: Site | undefined;
    for (const priority of PRIORITY_CLASSES)
      for (const site of this.runnable[priority]) {
        if (one !== undefined && one !== site) return true;
        one = site;
      }
    return false;
  }
}

function siteSource(source: string): SiteSource {
  return {
    source,
    backoff: new Backoff(),
    idle: [],
    spare: new SmallSet(),
    slots: 0,
    inFlight: 0,
    lastSuccessAt: Number.NEGATIVE_INFINITY,
    quickAt: Number.NEGATIVE_INFINITY,
  };
}

function recipientsOf({ entry }: Waiting): number {
  return entry.recipients.length;
}

function one(): number {
  return 1;
}
