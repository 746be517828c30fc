/**
 * Gives ready entries to connections, within every limit: the pull side of the scheduler.
 *
 * A group is *runnable* in a class while one of its sites has something ready and may be tried. Groups take
 * turns; a group that is at a limit of its path leaves the ring until a slot is free or its time has come, so
 * that no step looks at more than a few groups.
 *
 * It learns which sites are quick, for whom part of all connections is kept (`slots.ts`).
 */

import { TimeHeap } from '../lib/heap.ts';
import { HOUR, MINUTE, SECOND, type Instant } from '../lib/time.ts';
import { formatMailbox } from '../mail/path.ts';
import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';
import { partsOf } from '../mail/queue-name.ts';
import { type Rule } from '../mail/rule.ts';
import { ClassTurn } from './class-turn.ts';
import { type EgressPath } from './egress-path.ts';
import { type RuleDecision, type Rules, type RuleSubject } from './rules.ts';
import { isOver } from './retry.ts';
import { type Finished, type SchedulerAction } from './scheduling.ts';
import { type Site, type SiteGroup, type SiteSource } from './site-state.ts';
import { type Slot, type SlotKind, type Slots, type Worker } from './slots.ts';
import { Starved } from './starved.ts';
import { type Waiting } from './window.ts';

export interface DispatcherOptions {
  readonly maxInFlight: number;
  /** Connections at once, over all paths. */
  readonly maxSlots: number;
}

/** What the dispatcher tells its owner. */
export interface DispatcherOwner {
  readonly rules: Rules;
  readonly random: () => number;
  /** In memory, and may not go now: back to the disk it came from. */
  putAside(waiting: Waiting, decision: RuleDecision): void;
  held(waiting: Waiting, rule: Rule): void;
  expired(waiting: Waiting): void;
  /** The site was refused on all its sources. */
  blocked(site: Site, now: Instant): void;
  /** A connection of the site was closed: nothing of it may be left in memory. */
  emptied(site: Site): void;
  /** The site took something, or a dispatch of it ended: it may want more from disk. */
  progressed(site: Site, now: Instant): void;
}

/** How a dispatch would go out. */
type Way =
  | { readonly kind: 'slot'; readonly slot: Slot }
  | { readonly kind: 'open'; readonly worker: Worker; readonly as: SlotKind; readonly closing: Slot | undefined };

// Sites of one group that are looked at for one dispatch: the limits of a path hold for all of them alike.
const SITES_LOOKED_AT = 4;

// Others of the site that succeeded so lately make a refused connection a limit and not an outage.
const ALIVE = MINUTE;

/** Messages that take so long are quick, and those that take so long are slow; between them nothing is learned. */
const QUICK = 5 * SECOND;
const SLOW = 30 * SECOND;
const REMEMBERED = HOUR;

export class Dispatcher {
  readonly #owner: DispatcherOwner;
  readonly #slots: Slots;
  #options: DispatcherOptions;
  readonly #runnable: Readonly<Record<PriorityClass, Set<SiteGroup>>> = {
    transactional: new Set(),
    normal: new Set(),
    bulk: new Set(),
  };
  /** When a group at a limit may go on. */
  readonly #times = new TimeHeap<SiteGroup>();
  readonly #starved = new Starved();
  readonly #turn = new ClassTurn();
  #inFlight = 0;

  constructor(owner: DispatcherOwner, slots: Slots, options: DispatcherOptions) {
    this.#owner = owner;
    this.#slots = slots;
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Groups that only lack a connection or a worker. */
  isStarved(group: SiteGroup): boolean {
    return this.#starved.has(group);
  }

  reconfigure(options: DispatcherOptions): void {
    this.#options = options;
  }

  nextWake(): Instant | undefined {
    const rest = this.#slots.nextRestEnd();
    const time = this.#times.next();
    return rest === undefined || time === undefined ? (rest ?? time) : Math.min(rest, time);
  }

  wake(now: Instant, out: SchedulerAction[]): void {
    for (let group = this.#times.pop(now); group !== undefined; group = this.#times.pop(now)) this.#list(group);
    for (let slot = this.#slots.rested(now); slot !== undefined; slot = this.#slots.rested(now)) this.#close(slot, out);
  }

  /** The site has something ready, or may be tried again. */
  offer(site: Site): void {
    for (const priority of PRIORITY_CLASSES) if (site.readyIn(priority) > 0) site.group.runnable[priority].add(site);
    this.#list(site.group);
  }

  /** The site may not be tried, or has nothing ready. */
  withdraw(site: Site): void {
    for (const priority of PRIORITY_CLASSES) site.group.runnable[priority].delete(site);
  }

  /** Dispatches while anything may go. */
  run(now: Instant, out: SchedulerAction[]): void {
    while (this.#inFlight < this.#options.maxInFlight) {
      const group = this.#next();
      if (group === undefined) return;
      if (!this.#pull(group, now, out)) this.#unlist(group);
    }
  }

  finished(f: Finished, waiting: Waiting, now: Instant): SchedulerAction[] {
    const out: SchedulerAction[] = [];
    const { slot, site } = waiting;
    if (slot === undefined || site === undefined) return out;
    this.#inFlight--;
    this.#slots.take(slot, waiting);
    waiting.slot = undefined;
    this.#judge(f, { waiting, slot, site }, now);
    if (f.connection !== 'open') slot.used = slot.dispatches.size;
    if (slot.dispatches.size === 0) this.#free(slot, f.connection, { now, out });
    // A connection that stays open is first for mail of its own site.
    const isOpen = this.#slots.get(slot.id) !== undefined;
    if (isOpen) this.offer(site);
    this.#feedStarved();
    if (!isOpen) this.offer(site);
    this.#owner.progressed(site, now);
    return out;
  }

  slotClosed(slot: Slot, now: Instant): void {
    // Its dispatches are still to be reported; the last of them ends the slot.
    slot.used = slot.dispatches.size;
    if (slot.dispatches.size > 0) return;
    this.#slots.remove(slot);
    this.#feedStarved();
    this.offer(slot.site);
    this.#owner.progressed(slot.site, now);
  }

  /** The dispatches that were in flight on the worker are over; it is for the caller to settle them. */
  workerLeft(worker: Worker, now: Instant): readonly Waiting[] {
    const lost: Waiting[] = [];
    for (const slot of worker.slots) {
      lost.push(...slot.dispatches);
      this.#inFlight -= slot.dispatches.size;
      this.#slots.remove(slot);
      this.offer(slot.site);
    }
    this.#slots.leave(worker.id);
    for (const waiting of lost) {
      waiting.slot = undefined;
      if (waiting.site !== undefined) this.#owner.progressed(waiting.site, now);
    }
    return lost;
  }

  /** Every group is looked at again: a worker joined, limits changed. */
  listAll(groups: Iterable<SiteGroup>): void {
    for (const group of groups) this.#list(group);
  }

  #list(group: SiteGroup): void {
    for (const priority of PRIORITY_CLASSES)
      if (group.runnable[priority].size > 0) this.#runnable[priority].add(group);
      else this.#runnable[priority].delete(group);
  }

  #unlist(group: SiteGroup): void {
    for (const priority of PRIORITY_CLASSES) this.#runnable[priority].delete(group);
  }

  /** The group whose turn it is, by class; it goes to the end of its rings. */
  #next(): SiteGroup | undefined {
    for (const priority of this.#turn.order()) {
      const [group] = this.#runnable[priority];
      if (group === undefined) continue;
      this.#runnable[priority].delete(group);
      this.#runnable[priority].add(group);
      this.#turn.next();
      return group;
    }
    return undefined;
  }

  /** One dispatch for the group, on whichever of its paths may send. False: none may. */
  #pull(group: SiteGroup, now: Instant, out: SchedulerAction[]): boolean {
    const paths = [...group.paths.values()];
    for (let i = 0; i < paths.length; i++) {
      const path = paths[(group.sourceTurn + i) % paths.length];
      if (path === undefined) continue;
      const at = path.releaseAt(1);
      if (at > now) this.#times.lower(group, at);
      else if (this.#pullOn(group, path, { now, out })) {
        group.sourceTurn = (group.sourceTurn + i + 1) % paths.length;
        this.#list(group);
        return true;
      }
    }
    return false;
  }

  #pullOn(group: SiteGroup, path: EgressPath, step: Step): boolean {
    for (const priority of group.turn.order()) {
      let looked = 0;
      for (const site of group.runnable[priority]) {
        if (looked++ >= SITES_LOOKED_AT) break;
        // The ring turns: the next site first, next time.
        group.runnable[priority].delete(site);
        group.runnable[priority].add(site);
        if (this.#pullFor(site, { path, priority }, step)) {
          group.turn.next();
          return true;
        }
      }
    }
    return false;
  }

  #pullFor(site: Site, { path, priority }: { path: EgressPath; priority: PriorityClass }, step: Step): boolean {
    const at = site.sources.get(path.source);
    const way = at && this.#way(site, { at, path }, step.now);
    if (at === undefined || way === undefined) return false;
    const waiting = this.#pick(site, { path, priority }, step.now);
    if (site.readyIn(priority) === 0) site.group.runnable[priority].delete(site);
    // Nothing is left in this class: that is progress too, and the turn goes on.
    if (waiting === undefined) return true;
    this.#dispatch(waiting, this.#slotFor(way, { site, at, path }, step), step);
    this.#starved.delete(site.group);
    return true;
  }

  /** The next entry that the rules let go. */
  #pick(
    site: Site,
    { path, priority }: { path: EgressPath; priority: PriorityClass },
    now: Instant,
  ): Waiting | undefined {
    for (let waiting = site.shiftReady(priority); waiting !== undefined; waiting = site.shiftReady(priority)) {
      if (isOver(waiting.entry, now)) {
        this.#owner.expired(waiting);
        continue;
      }
      const decision = decisionFor(this.#owner.rules, waiting, { site: site.name, source: path.source, now });
      if (decision.kind === 'go' || decision.kind === 'rerouted') return waiting;
      if (decision.kind === 'held') this.#owner.held(waiting, decision.rule);
      else this.#owner.putAside(waiting, decision);
    }
    return undefined;
  }

  #way(site: Site, { at, path }: { at: SiteSource; path: EgressPath }, now: Instant): Way | undefined {
    if (at.backoff.until > now) return undefined;
    // After a refusal one probe, and nothing else until it has an answer.
    if (at.backoff.refusals > 0 && at.inFlight > 0) {
      this.withdraw(site);
      return undefined;
    }
    if (path.busy < path.window) {
      const idle = at.idle.at(-1);
      if (idle !== undefined) return { kind: 'slot', slot: idle };
      const open = this.#wayToOpen(site, { at, path }, now);
      if (open !== undefined) return open;
    }
    if (!path.healthy || site.group.contested) return undefined;
    const spare = at.spare.first;
    return spare === undefined || spare.worker.inFlight >= spare.worker.capacity
      ? undefined
      : { kind: 'slot', slot: spare };
  }

  #wayToOpen(site: Site, { at, path }: { at: SiteSource; path: EgressPath }, now: Instant): Way | undefined {
    const worker = this.#slots.leastBusy();
    const as = at.quickAt >= now - REMEMBERED ? 'quick' : 'other';
    if (worker === undefined) return this.#starved.add(site.group, as);
    if (path.nextOpenAt > now) {
      this.#times.lower(site.group, path.nextOpenAt);
      return undefined;
    }
    let closing: Slot | undefined;
    if (path.slots >= path.limits.connections) {
      closing = this.#slots.idleOn(path);
      if (closing === undefined) return undefined;
    } else {
      const room = this.#slots.roomFor(as, this.#options.maxSlots);
      if (room === 'none') return this.#starved.add(site.group, as);
      closing = room === 'free' ? undefined : room;
    }
    return { kind: 'open', worker, as, closing };
  }

  /** Something was freed. To be called before the group that gave it up is listed, which would take it at once again. */
  #feedStarved(): void {
    this.#starved.feed((group) => this.#list(group));
  }

  #slotFor(way: Way, place: Pick<Slot, 'site' | 'at' | 'path'>, { now, out }: Step): Slot {
    if (way.kind === 'slot') return way.slot;
    if (way.closing !== undefined) this.#close(way.closing, out);
    return this.#slots.open(way.worker, { ...place, kind: way.as }, now);
  }

  #dispatch(waiting: Waiting, slot: Slot, { now, out }: Step): void {
    const { entry, route, site } = waiting;
    if (route === undefined || site === undefined) throw new Error(`entry ${entry.id} is ready without a route`);
    waiting.state = 'inFlight';
    waiting.slot = slot;
    waiting.startedAt = now;
    waiting.epoch = this.#owner.rules.epoch;
    site.taken++;
    this.#inFlight++;
    this.#slots.put(slot, waiting);
    slot.path.released(now, entry.octets);
    out.push({
      kind: 'dispatch',
      entry,
      slot: slot.id,
      worker: slot.worker.id,
      path: `${site.name}|${slot.path.source}`,
      site: site.name,
      route,
      hosts: waiting.hosts,
      sts: waiting.sts,
      secure: waiting.secure,
    });
    this.#owner.progressed(site, now);
  }

  /** What the attempt says of the path and of the site. */
  #judge(f: Finished, { waiting, slot, site }: { waiting: Waiting; slot: Slot; site: Site }, now: Instant): void {
    const { at, path } = slot;
    const { startedAt } = waiting;
    const took = now - startedAt;
    if (took >= SLOW) at.quickAt = Number.NEGATIVE_INFINITY;
    else if (f.effect === 'success' && took <= QUICK) at.quickAt = now;
    const refusal = { startedAt, now, wait: f.wait, jitter: this.#owner.random(), diagnostic: f.diagnostic };
    if (f.effect === 'success') {
      at.lastSuccessAt = Math.max(at.lastSuccessAt, startedAt);
      at.backoff.succeeded(startedAt);
      path.succeeded(startedAt, f.transmitTime);
    } else if (f.effect === 'limited' || (f.effect === 'refused' && isAlive(at, now))) {
      path.limited(refusal);
    } else if (f.effect === 'refused') {
      const { backoff: first, maxBackoff: max } = path.limits;
      if (!at.backoff.refused(refusal, { first, max })) return;
      // A provider is not judged by one of its many sites.
      if (site.group.sites.size === 1) path.refused(now);
      if (site.blockedUntil() > now) this.#owner.blocked(site, now);
    }
  }

  #free(slot: Slot, connection: Finished['connection'], { now, out }: Step): void {
    if (connection !== 'open') this.#slots.remove(slot);
    else if (slot.used >= slot.path.limits.messagesPerConnection) this.#close(slot, out);
    else this.#rest(slot, { now, out });
  }

  #rest(slot: Slot, { now, out }: Step): void {
    this.#slots.rest(slot, now + slot.path.limits.idleTimeout);
    const surplus = this.#slots.surplus(this.#options.maxSlots);
    if (surplus !== undefined) this.#close(surplus, out);
  }

  #close(slot: Slot, out: SchedulerAction[]): void {
    this.#slots.remove(slot);
    out.push({ kind: 'closeSlot', slot: slot.id, worker: slot.worker.id });
    this.#feedStarved();
    this.#list(slot.site.group);
    this.#owner.emptied(slot.site);
  }
}

interface Step {
  readonly now: Instant;
  readonly out: SchedulerAction[];
}

/** Other connections of the site are open, and one of them succeeded lately. */
function isAlive(at: SiteSource, now: Instant): boolean {
  return at.backoff.refusals === 0 && at.slots > 1 && at.lastSuccessAt >= now - ALIVE;
}

export function decisionFor(
  rules: Rules,
  { entry }: Pick<Waiting, 'entry'>,
  place: { readonly site?: string; readonly source?: string; readonly now: Instant },
): RuleDecision {
  if (rules.size === 0) return { kind: 'go' };
  const { now, ...where } = place;
  const subject: RuleSubject = {
    queue: partsOf(entry.queue),
    message: entry.message,
    sender: entry.sender,
    recipients: entry.recipients.map(({ forwardPath }) => formatMailbox(forwardPath)),
    ...where,
  };
  return rules.decide(subject, now);
}
