/**
 * Takes entries into memory: from a commit, or from disk, a page at a time, in fair turns and within the budget.
 *
 * Each entry gets its route and its site, or a verdict without a dispatch. Lanes that have more on disk wait
 * *hungry* at their site and are read on when it runs low. When memory is short, the site that moved least
 * lately gives up what it has, unless it moved just now: the disk keeps it and the agenda names it again.
 * Memory that is full of mail that moves is not taken from it, since all of it would have to be read again.
 */

import { SECOND, type Instant } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';
import { type Partition } from '../mail/partition.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { partsOf } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { Care } from './care.ts';
import { decisionFor } from './dispatcher.ts';
import { FairQueue } from './fair-queue.ts';
import { laneKey, laneOf, lanesOf, type LaneReader, type Lanes, type ReadUnderWay } from './lanes.ts';
import { isOver, type RetryOptions } from './retry.ts';
import { routingDomainOn } from './routes.ts';
import { type Rules } from './rules.ts';
import { type DuePosition, type LaneRef, type SchedulerAction, type WithoutDispatch } from './scheduling.ts';
import { Settlements } from './settlements.ts';
import { type Site } from './site-state.ts';
import { type Resolution, type SiteTable } from './site-table.ts';
import { StaleSites } from './stale-sites.ts';
import { direct, costOf, tenantOf, type Waiting, type Window } from './window.ts';

export interface IntakeOwner {
  readonly rules: Rules;
  readonly window: Window;
  readonly table: SiteTable;
  readonly lanes: Lanes;
  readonly retry: RetryOptions;
  /** Octets of entries in memory. */
  readonly memory: number;
  routeOf(name: string, entry: Entry): Route | undefined;
  offer(site: Site): void;
  withdraw(site: Site): void;
  /** A queue there is no longer known of in memory, and has something due. */
  lost(partition: Partition): void;
}

export interface Step {
  readonly now: Instant;
  readonly out: SchedulerAction[];
}

const READS_AT_ONCE = 8;
/** Lanes that wait for a first read, before the agenda is read on. */
const MOST_OPENING = 256;
const FIRST_PAGE = 8;
const LEAST_PAGE = 16;
const MOST_PAGE = 128;
/** Lanes that are remembered at a site that may not be tried; the agenda names the others again. */
const MOST_PARKED = 64;
/** Ready entries of one tenant at one site and class beyond which new mail waits on disk. */
const MOST_READY = 64;
/** Resolutions under way beyond which no new lane is opened: a slow DNS must not fill the memory. */
const MOST_ASKING = 512;
const TYPICAL_OCTETS = 1500;
/** A lane that has had its place for so long gives it up after a page when others wait for one. */
const TURN = 5 * SECOND;

export class Intake {
  readonly #owner: IntakeOwner;
  /** Lanes of which nothing is known yet. */
  readonly #opening = new FairQueue<LaneReader>(() => 1);
  /** Sites that want more from disk, in turn. */
  readonly #wanting = new Set<Site>();
  readonly #stale = new StaleSites();
  readonly #reads = new Map<string, ReadUnderWay>();
  readonly #care: Care;
  readonly #settlements = new Settlements();
  #reserved = 0;
  #asking = 0;
  /** Lanes wait for others to be closed. */
  #crowded = false;

  constructor(owner: IntakeOwner) {
    this.#owner = owner;
    this.#care = new Care(() => owner.retry);
  }

  get reading(): number {
    return this.#reads.size;
  }

  /** Whether more of the agenda should be read: well before the lanes to open run out, and not for each one opened. */
  wantsAgenda(now: Instant): boolean {
    if (this.#opening.length >= MOST_OPENING / 4) return false;
    if (!this.#owner.lanes.full || this.#stale.first(undefined, now) !== undefined) return true;
    this.#crowded = true;
    return false;
  }

  /** Half of everything is free, so that what is read now is not soon given up again. */
  get hasRoomToSpare(): boolean {
    const { window, memory, lanes } = this.#owner;
    return this.#opening.length === 0 && lanes.size < lanes.most / 2 && window.octets + this.#reserved < memory / 2;
  }

  /** When `run` can do something that it could not do before. */
  nextWake(): Instant | undefined {
    return this.#stale.wakeAt;
  }

  /** Whether new entries of this kind may be handed over in memory. */
  admits(entry: Entry, now: Instant): boolean {
    const { window, rules, memory } = this.#owner;
    if (window.octets > memory * 0.75 || window.octetsOf(tenantOf(entry.queue)) > memory * 0.25) return false;
    if (decisionFor(rules, { entry }, { now }).kind !== 'go') return false;
    const resolution = this.#resolutionOf(entry);
    if (resolution === undefined) return this.#asking < MOST_ASKING;
    const { site } = resolution;
    if (site === undefined || resolution.until <= now) return resolution.entries.size < MOST_READY;
    return site.blockedUntil() <= now && site.readyFor(entry.class, tenantOf(entry.queue)) < MOST_READY;
  }

  /** Gives the entry its way, or a verdict. */
  place(waiting: Waiting, step: Step): void {
    const { entry } = waiting;
    if (isOver(waiting.entry, step.now)) return this.refuse(waiting, { kind: 'expired' }, step);
    const { rules, table } = this.#owner;
    const decision = decisionFor(rules, waiting, { now: step.now });
    if (decision.kind === 'held') return this.refuse(waiting, decision, step);
    if (decision.kind === 'suspended') return this.drop(waiting, step.now);
    const route = this.#owner.routeOf(decision.kind === 'rerouted' ? decision.route : entry.route, entry);
    const domain = route && routingDomainOn(route, entry);
    if (route === undefined || domain === undefined) {
      const diagnostic =
        route === undefined
          ? `postrider: no route is named ${entry.route}`
          : 'postrider: cannot go by MX: recipients of several domains';
      const answer = { kind: 'deferred', status: '4.3.5', diagnostic, ttl: 0 } as const;
      return this.refuse(waiting, { kind: 'deferred', answer }, step);
    }
    waiting.route = route;
    this.#follow(waiting, table.lookUp(route, domain), step);
  }

  /** The answer to a resolution has come. */
  resolved(resolution: Resolution, step: Step): void {
    this.#asking--;
    const entries = [...resolution.entries];
    const readers = [...resolution.readers];
    resolution.entries.clear();
    resolution.readers.clear();
    for (const waiting of entries) if (waiting.state === 'resolving') this.#follow(waiting, resolution, step);
    for (const reader of readers) {
      reader.site = resolution.refusal === undefined ? resolution.site : undefined;
      reader.busy = false;
      this.#queue(reader, step.now);
    }
  }

  /** The lane has something due that memory does not know of. */
  want(ref: LaneRef, site: Site | undefined, now: Instant): boolean {
    const { lanes } = this.#owner;
    if (this.#isSuspended(ref.queue, now)) return true;
    if (lanes.get(laneKey(ref)) === undefined && lanes.full && !this.#evictOne(undefined, now)) {
      this.#owner.lost(ref.partition);
      return false;
    }
    this.#seek(ref, site, now);
    return true;
  }

  #isSuspended(queue: LaneRef['queue'], now: Instant): boolean {
    const { rules } = this.#owner;
    return rules.size > 0 && rules.decide({ queue: partsOf(queue) }, now).kind === 'suspended';
  }

  /** The lane is read, whether or not there is a place for it. */
  #seek(ref: LaneRef, site: Site | undefined, now: Instant): void {
    const reader = this.#owner.lanes.open(ref, now);
    reader.more = true;
    reader.site ??= site;
    if (this.#reads.has(reader.key)) reader.again = true;
    else reader.after = undefined;
    if (!reader.busy) this.#queue(reader, now);
  }

  /** The entry is due on disk; where it leads to may be known already. */
  wantEntry(entry: Entry, now: Instant): void {
    const resolution = this.#resolutionOf(entry);
    const known = resolution !== undefined && resolution.until > now && resolution.refusal === undefined;
    this.want(laneOf(entry), known ? resolution.site : undefined, now);
  }

  /** A queue that the agenda names. False: no room now. */
  open(ref: Pick<LaneRef, 'partition' | 'queue'>, now: Instant): boolean {
    const { lanes } = this.#owner;
    if (this.#opening.length >= MOST_OPENING || (lanes.full && !this.#evictOne(undefined, now))) return false;
    if (this.#isSuspended(ref.queue, now)) return true;
    // One place is enough for all of them: most are empty, and a row that was taken in part would be taken again.
    for (const lane of lanesOf(ref.partition, ref.queue)) {
      const known = lanes.get(laneKey(lane));
      if (known?.busy !== true) this.#seek(lane, known?.site, now);
    }
    return true;
  }

  /** Sends reads while there is room: sites that run low first, then lanes that are new, then care. */
  run(step: Step): void {
    this.#stale.woken();
    while (this.#reads.size < READS_AT_ONCE) if (!this.#readForSite(step) && !this.#readOpening(step)) break;
    if (this.#reads.size > 0) return;
    const reader = this.#care.next(step.now);
    if (reader !== undefined) this.#read(reader, { kind: 'care', limit: MOST_PAGE }, step);
  }

  dueRead(ref: LaneRef, page: { entries: readonly Entry[]; next: DuePosition | undefined }, step: Step): void {
    const key = laneKey(ref);
    const read = this.#reads.get(key);
    if (read === undefined) return;
    this.#reads.delete(key);
    this.#reserved -= read.reserved;
    const { reader, since } = read;
    if (reader.site !== undefined) reader.site.reads--;
    const fresh = page.entries.filter((entry) => this.#isNews(entry, since));
    this.#settlements.forget(this.#reads.values().next().value?.since ?? Number.POSITIVE_INFINITY);
    if (read.kind === 'care') this.#caredFor(reader, { ...page, entries: fresh }, step);
    else this.#refilled(reader, { ...page, fresh }, step);
  }

  /** The entry is over or changed in the spool: pages that were asked for before do not bring it back. */
  settled(id: string): void {
    this.#settlements.add(id, this.#reads.size);
  }

  /** A site moved: it is the last to give up its memory, and may want more. */
  moved(site: Site, now: Instant): void {
    this.#stale.moved(site, now);
    this.feed(site, now);
    this.#owner.table.release(site);
  }

  /** The site is no longer known. */
  forget(site: Site): void {
    this.#stale.delete(site);
    this.#wanting.delete(site);
    this.#care.forget(site);
  }

  /** The site wants more if it runs low and may be tried. */
  feed(site: Site, now: Instant): void {
    if (site.hungryCount > 0 && site.blockedUntil() <= now && this.#hungryClass(site) !== undefined)
      this.#wanting.add(site);
  }

  /** The site may not be tried: what is ready goes back to disk, its lanes are remembered. */
  park(site: Site, now: Instant): void {
    this.#wanting.delete(site);
    this.#owner.withdraw(site);
    for (const priority of PRIORITY_CLASSES)
      for (let waiting = site.shiftReady(priority); waiting !== undefined; waiting = site.shiftReady(priority)) {
        this.drop(waiting, now);
        if (waiting.entry.dueAt <= now && !this.#owner.lanes.full) this.want(laneOf(waiting.entry), site, now);
      }
    if (site.hungryCount > 0) this.#care.wanted(site);
  }

  /** Out of memory; the spool has it. */
  drop(waiting: Waiting, now: Instant): void {
    const { window, lanes } = this.#owner;
    window.remove(waiting);
    if (waiting.entry.dueAt > now) lanes.note(laneOf(waiting.entry), waiting.entry.dueAt);
  }

  #follow(waiting: Waiting, resolution: Resolution, step: Step): void {
    const { site, refusal, until } = resolution;
    if (until <= step.now) {
      waiting.state = 'resolving';
      resolution.entries.add(waiting);
      this.#ask(resolution, step.out);
    } else if (refusal !== undefined) this.refuse(waiting, { kind: refusal.kind, answer: refusal }, step);
    else if (site !== undefined) {
      direct(waiting, resolution);
      this.#ready(waiting, site, step);
    }
  }

  #ready(waiting: Waiting, site: Site, step: Step): void {
    if (site.blockedUntil() > step.now) {
      const verdict = this.#care.verdict(waiting.entry, site, step.now);
      if (verdict !== undefined) return this.refuse(waiting, verdict, step);
      this.drop(waiting, step.now);
      if (waiting.entry.dueAt <= step.now) this.want(laneOf(waiting.entry), site, step.now);
      return;
    }
    waiting.state = 'ready';
    waiting.site = site;
    site.pushReady(waiting);
    this.#stale.add(site, step.now);
    this.#owner.offer(site);
  }

  /** It ends or waits without a dispatch. */
  refuse(waiting: Waiting, verdict: WithoutDispatch, { out }: Step): void {
    waiting.state = 'settling';
    waiting.site = undefined;
    out.push({ kind: 'settle', entry: waiting.entry, verdict });
  }

  #ask(resolution: Resolution, out: SchedulerAction[]): void {
    if (resolution.asking) return;
    resolution.asking = true;
    this.#asking++;
    out.push({ kind: 'resolve', routingDomain: resolution.routingDomain, route: resolution.route });
  }

  /** Where the lane waits for its next read; closed when there is nothing to read. */
  #queue(reader: LaneReader, now: Instant): void {
    const { site, ref, tenant } = reader;
    const parked = site !== undefined && site.blockedUntil() > now && site.hungryCount >= MOST_PARKED;
    if (!reader.more || parked) {
      reader.busy = false;
      return this.#owner.lanes.close(reader);
    }
    if (this.#crowded && Math.abs(now - reader.openedAt) >= TURN) {
      this.#crowded = false;
      return this.#close(reader);
    }
    reader.busy = true;
    if (site === undefined) {
      const lane = ref.lane === 'fresh' ? 'fresh' : 'deferred';
      return this.#opening.push({ tenant, queue: ref.queue, lane }, reader);
    }
    site.pushHungry(reader);
    this.#stale.add(site, now);
    this.feed(site, now);
  }

  /** The lane has more, which the agenda is to name again. */
  #close(reader: LaneReader): void {
    reader.busy = false;
    this.#owner.lanes.close(reader);
    this.#owner.lost(reader.ref.partition);
  }

  #readForSite(step: Step): boolean {
    for (const site of this.#wanting) {
      this.#wanting.delete(site);
      const priority = site.blockedUntil() > step.now ? undefined : this.#hungryClass(site);
      const reader = priority && site.shiftHungry(priority);
      if (reader === undefined) continue;
      const limit = site.refusals > 0 ? FIRST_PAGE : pageOf(site);
      if (this.#read(reader, { kind: 'refill', limit }, step)) {
        this.feed(site, step.now);
        return true;
      }
      site.pushHungry(reader);
      // Nothing of it may be under way that would ask for it when it ends.
      this.#wanting.add(site);
      return false;
    }
    return false;
  }

  #readOpening(step: Step): boolean {
    if (this.#asking >= MOST_ASKING || this.#opening.length === 0) return false;
    if (!this.#makeRoom(FIRST_PAGE * TYPICAL_OCTETS, undefined, step.now)) return false;
    const reader = this.#opening.shift();
    if (reader === undefined) return false;
    if (this.#read(reader, { kind: 'refill', limit: FIRST_PAGE }, step)) return true;
    this.#close(reader);
    return false;
  }

  #read(
    reader: LaneReader,
    { kind, limit }: { kind: ReadUnderWay['kind']; limit: number },
    { now, out }: Step,
  ): boolean {
    if (this.#reads.has(reader.key)) return false;
    const reserved = kind === 'care' ? 0 : limit * TYPICAL_OCTETS;
    if (!this.#makeRoom(reserved, reader.site, now)) return false;
    this.#reads.set(reader.key, { reader, kind, reserved, since: this.#settlements.count });
    this.#reserved += reserved;
    if (reader.site !== undefined) reader.site.reads++;
    const after = kind === 'care' ? this.#care.after : reader.after;
    out.push({ kind: 'readDue', lane: reader.ref, after, limit });
    return true;
  }

  #refilled(
    reader: LaneReader,
    page: { fresh: readonly Entry[]; entries: readonly Entry[]; next: DuePosition | undefined },
    step: Step,
  ): void {
    const due = page.entries.findIndex(({ dueAt }) => dueAt > step.now);
    const later = due === -1 ? undefined : page.entries[due];
    if (later !== undefined) this.#owner.lanes.note(reader.ref, later.dueAt);
    reader.more = later === undefined && page.next !== undefined;
    reader.after = page.next ?? reader.after;
    let first: Waiting | undefined;
    for (const entry of page.fresh) {
      if (entry.dueAt > step.now) break;
      if (!this.#makeRoom(costOf(entry), reader.site, step.now)) {
        reader.more = true;
        reader.after = undefined;
        break;
      }
      const waiting = this.#owner.window.add(entry, 'resolving');
      this.place(waiting, step);
      first ??= waiting;
    }
    if (reader.again) {
      reader.again = false;
      reader.more = true;
      reader.after = undefined;
    }
    this.#onward(reader, first, step.now);
  }

  /** The lane goes to the site that its first entry leads to; or waits with it for the answer. */
  #onward(reader: LaneReader, first: Waiting | undefined, now: Instant): void {
    const resolution = first && this.#resolutionOf(first.entry);
    if (resolution !== undefined && resolution.until > now && resolution.refusal === undefined)
      reader.site = resolution.site;
    if (reader.site === undefined && resolution?.asking === true && reader.more) resolution.readers.add(reader);
    else this.#queue(reader, now);
  }

  #caredFor(reader: LaneReader, page: { entries: readonly Entry[]; next: DuePosition | undefined }, step: Step): void {
    const { site } = reader;
    this.#care.read(page, step.now);
    if (site === undefined || site.blockedUntil() <= step.now) return;
    for (const entry of page.entries) {
      const verdict = this.#care.verdict(entry, site, step.now);
      if (verdict === undefined || !this.#makeRoom(costOf(entry), site, step.now)) continue;
      this.refuse(this.#owner.window.add(entry, 'settling'), verdict, step);
    }
  }

  /** Not in memory, and not settled since the page was asked for. */
  #isNews(entry: Entry, since: number): boolean {
    return this.#owner.window.get(entry.id) === undefined && !this.#settlements.has(entry.id, since);
  }

  #makeRoom(octets: number, except: Site | undefined, now: Instant): boolean {
    const { window, memory } = this.#owner;
    while (window.octets + this.#reserved + octets > memory) if (!this.#evictOne(except, now)) return false;
    return true;
  }

  /** The site that moved least lately gives up its memory. False: there is none. */
  #evictOne(except: Site | undefined, now: Instant): boolean {
    const site = this.#stale.first(except, now);
    if (site === undefined) return false;
    this.#stale.delete(site);
    this.#wanting.delete(site);
    this.#owner.withdraw(site);
    for (const priority of PRIORITY_CLASSES) {
      for (let one = site.shiftReady(priority); one !== undefined; one = site.shiftReady(priority)) {
        this.drop(one, now);
        this.#owner.lost(laneOf(one.entry).partition);
      }
      for (let one = site.shiftHungry(priority); one !== undefined; one = site.shiftHungry(priority)) this.#close(one);
    }
    this.#owner.table.release(site);
    return true;
  }

  #hungryClass(site: Site): (typeof PRIORITY_CLASSES)[number] | undefined {
    const low = pageOf(site) / 2;
    return PRIORITY_CLASSES.find((priority) => site.hungryIn(priority) > 0 && site.readyIn(priority) < low);
  }

  #resolutionOf(entry: Entry): Resolution | undefined {
    const route = this.#owner.routeOf(entry.route, entry);
    const domain = route && routingDomainOn(route, entry);
    return route === undefined || domain === undefined ? undefined : this.#owner.table.peek(route, domain);
  }
}

/** A page for a slow site is small, so that another tenant's mail is never far behind it. */
function pageOf({ group }: Site): number {
  let window = 0;
  for (const path of group.paths.values()) window += path.window;
  return Math.min(Math.max(window * 8, LEAST_PAGE), MOST_PAGE);
}
