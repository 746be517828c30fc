/**
 * The scheduler: a bounded window of what waits, and what is tried when, where, over how many connections.
 *
 * It performs nothing. Each call returns the actions to perform, in order; `nextWake` says when `wake` wants to be
 * called. Its parts: `intake` brings entries into memory, `dispatcher` gives them to connections, `agenda`
 * finds queues that are due, `table` knows sites. All of it can be thrown away and read back from the spool.
 *
 * An entry that was dispatched or given a verdict (`settle`) stays in the window until `settled`, so that no page
 * read meanwhile can bring it back.
 */

import { type Instant } from '../lib/time.ts';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { type Partition } from '../mail/partition.ts';
import { type Route } from '../mail/route.ts';
import { type Rule } from '../mail/rule.ts';
import { AGENDA_DEFAULTS, AgendaReader } from './agenda-reader.ts';
import { Dispatcher } from './dispatcher.ts';
import { type SlotId } from './dispatch.ts';
import { explain } from './explain.ts';
import { Intake, type Step } from './intake.ts';
import { laneOf, Lanes } from './lanes.ts';
import { DEFAULT_PACING, type Pacing } from './pace.ts';
import { DEFAULT_RETRY, type RetryOptions } from './retry.ts';
import { Rules } from './rules.ts';
import {
  type AgendaPosition,
  type DuePosition,
  type Explanation,
  type Finished,
  type LaneRef,
  type SchedulerAction,
  type WorkerId,
} from './scheduling.ts';
import { type Site } from './site-state.ts';
import { SiteTable } from './site-table.ts';
import { type SiteAnswer } from './site.ts';
import { type SiteSummary, summaryOf } from './site-summary.ts';
import { Slots } from './slots.ts';
import { TimeHeap } from '../lib/heap.ts';
import { Window, type Waiting } from './window.ts';

export interface SchedulerOptions {
  /** Octets of memory for all that waits, whatever waits on disk. */
  readonly memory: number;
  readonly pacing: Pacing;
  readonly retry: RetryOptions;
  /** Dispatches at once, over all workers. */
  readonly maxInFlight: number;
  /** Connections at once, over all paths, idle ones counted. */
  readonly maxSlots: number;
}

const DEFAULT_SCHEDULER_OPTIONS: SchedulerOptions = {
  memory: 32 * 1024 * 1024,
  pacing: DEFAULT_PACING,
  retry: DEFAULT_RETRY,
  maxInFlight: 5000,
  maxSlots: 4000,
};

export interface SchedulerSetup extends Partial<SchedulerOptions> {
  readonly partitions: readonly Partition[];
  /** Names of egress sources; one is enough. */
  readonly sources?: readonly string[];
  /** At least 0 and less than 1. */
  readonly random: () => number;
  /** The route of that name in the present configuration. The same object until the configuration changes. */
  readonly routeOf: (name: string, entry: Entry) => Route | undefined;
}

export interface SchedulerFigures {
  /** Entries in memory, and the octets they are counted as. */
  readonly entries: number;
  readonly octets: number;
  readonly inFlight: number;
  readonly slots: number;
  readonly idleSlots: number;
  readonly sites: number;
  readonly resolutions: number;
  readonly lanes: number;
  readonly notes: number;
}

/**
 * Of the memory, for entries. Not more, since the collector lets garbage grow to as much as is in use before it
 * looks, since an entry takes half as much again as it is counted for, and since sites, of some 3 KiB each, are not
 * counted.
 */
const ENTRIES_SHARE = 1 / 4;
// The rest bounds the number of lanes, notes and resolutions by what one takes.
const LANE_OCTETS = 1024;
const RESOLUTION_OCTETS = 2048;
const SHARE = 8;

export class Scheduler {
  readonly #setup: SchedulerSetup;
  #options: SchedulerOptions;
  readonly #window = new Window();
  readonly #slots = new Slots();
  readonly #lanes: Lanes;
  readonly #table: SiteTable;
  readonly #intake: Intake;
  readonly #dispatcher: Dispatcher;
  readonly #agenda: AgendaReader;
  #rules = new Rules();
  /** When a site that was refused may be tried again. */
  readonly #retrySites = new TimeHeap<Site>();
  readonly #paused = new Set<string>();
  #step: Step = { now: 0, out: [] };

  constructor(setup: SchedulerSetup) {
    this.#setup = setup;
    this.#options = { ...DEFAULT_SCHEDULER_OPTIONS, ...setup };
    const { memory, pacing, maxInFlight, maxSlots } = this.#options;
    this.#lanes = new Lanes(Math.max(256, Math.floor(memory / SHARE / LANE_OCTETS)));
    this.#table = new SiteTable({
      pacing,
      sources: setup.sources ?? ['default'],
      maxResolutions: Math.max(256, Math.floor(memory / SHARE / RESOLUTION_OCTETS)),
      released: (site) => {
        this.#retrySites.remove(site);
        this.#intake.forget(site);
      },
    });
    this.#agenda = new AgendaReader({ ...AGENDA_DEFAULTS, partitions: setup.partitions });
    this.#intake = new Intake(this.#intakeOwner());
    this.#dispatcher = new Dispatcher(this.#dispatcherOwner(), this.#slots, { maxInFlight, maxSlots });
  }

  start(now: Instant): SchedulerAction[] {
    this.#begin(now);
    this.#agenda.start(now);
    return this.#run(now);
  }

  /**
   * Before a commit: may these entries be handed over in memory? If so they are to be committed as due a
   * minute ahead, and `accepted` or `forget` must follow; if not, as due now.
   */
  admit(entries: readonly Entry[], now: Instant): boolean {
    if (this.#paused.size > 0 || !entries.every((entry) => this.#intake.admits(entry, now))) return false;
    for (const entry of entries) this.#window.add(entry, 'admitted');
    return true;
  }

  /** After the commit. */
  accepted(entries: readonly Entry[], admitted: boolean, now: Instant): SchedulerAction[] {
    this.#begin(now);
    for (const entry of entries) {
      const waiting = this.#window.get(entry.id);
      if (!admitted) this.#note(entry);
      else if (waiting?.state === 'admitted') this.#intake.place(waiting, this.#step);
    }
    return this.#run(now);
  }

  /** The commit failed: the entries never were. */
  forget(entries: readonly Entry[]): void {
    for (const { id } of entries) {
      const waiting = this.#window.get(id);
      if (waiting?.state === 'admitted') this.#window.remove(waiting);
    }
  }

  // oxlint-disable-next-line max-params -- The answer to a question carries what the question asked.
  agendaRead(
    partition: Partition,
    _after: AgendaPosition | undefined,
    rows: readonly AgendaPosition[],
    next: AgendaPosition | undefined,
    now: Instant,
  ): SchedulerAction[] {
    this.#begin(now);
    this.#agenda.read({ partition, rows, next }, now, ({ queue }) => this.#intake.open({ partition, queue }, now));
    return this.#run(now);
  }

  // oxlint-disable-next-line max-params -- As above.
  dueRead(
    lane: LaneRef,
    _after: DuePosition | undefined,
    entries: readonly Entry[],
    next: DuePosition | undefined,
    now: Instant,
  ): SchedulerAction[] {
    this.#begin(now);
    this.#intake.dueRead(lane, { entries, next }, this.#step);
    return this.#run(now);
  }

  resolved(routingDomain: string, routeName: string, answer: SiteAnswer, now: Instant): SchedulerAction[] {
    this.#begin(now);
    const resolution = this.#table.resolved(routingDomain, routeName, { answer, now });
    if (resolution !== undefined) this.#intake.resolved(resolution, this.#step);
    return this.#run(now);
  }

  /** The entry changed in the spool: `next` are its successors that still wait. */
  settled(id: EntryId, next: readonly Entry[], now: Instant): SchedulerAction[] {
    this.#begin(now);
    this.#intake.settled(id);
    const waiting = this.#window.get(id);
    if (waiting?.state === 'inFlight') waiting.settled = true;
    else if (waiting !== undefined) this.#remove(passedOver(waiting));
    for (const entry of next) this.#note(entry);
    return this.#run(now);
  }

  /** An operator's command will change the entry: unless it is in flight it is not tried until `settled`. */
  withdraw(id: EntryId): 'withdrawn' | 'inFlight' | 'absent' {
    const waiting = this.#window.get(id);
    // What is not in memory may be on a page that is under way.
    if (waiting === undefined) this.#intake.settled(id);
    if (waiting === undefined) return 'absent';
    // `settling` after an attempt is as good as in flight: its outcome comes first.
    if (waiting.state === 'inFlight' || waiting.state === 'settling') return 'inFlight';
    passedOver(waiting);
    return 'withdrawn';
  }

  finished(f: Finished, now: Instant): SchedulerAction[] {
    const waiting = this.#window.get(f.entry);
    if (waiting?.state !== 'inFlight' || waiting.slot?.id !== f.slot) return [];
    this.#begin(now);
    waiting.state = 'settling';
    this.#step.out.push(...this.#dispatcher.finished(f, waiting, now));
    if (waiting.settled) this.#remove(waiting);
    return this.#run(now);
  }

  /** The worker closed the connection of an idle slot, or found it closed. */
  slotClosed(id: SlotId, now: Instant): SchedulerAction[] {
    const slot = this.#slots.get(id);
    if (slot === undefined) return [];
    this.#begin(now);
    this.#dispatcher.slotClosed(slot, now);
    return this.#run(now);
  }

  /** `capacity`: dispatches the worker may have at once. */
  workerJoined(worker: WorkerId, capacity: number, now: Instant): SchedulerAction[] {
    this.#begin(now);
    this.#slots.join(worker, capacity);
    this.#dispatcher.listAll(this.#table.groups());
    return this.#run(now);
  }

  /** The worker and its connections are gone. `lost` was in flight there; each is to be settled, then `settled`. */
  workerLeft(id: WorkerId, now: Instant): { readonly actions: SchedulerAction[]; readonly lost: readonly Entry[] } {
    const worker = this.#slots.worker(id);
    if (worker === undefined) return { actions: [], lost: [] };
    this.#begin(now);
    const lost = this.#dispatcher.workerLeft(worker, now);
    for (const waiting of lost) {
      waiting.state = 'settling';
      if (waiting.settled) this.#remove(waiting);
    }
    return { actions: this.#run(now), lost: lost.filter(({ settled }) => !settled).map(({ entry }) => entry) };
  }

  /** Whether the slot is still there: with its worker all its slots are gone. */
  isOpen(slot: SlotId): boolean {
    return this.#slots.get(slot) !== undefined;
  }

  rulesChanged(rules: readonly Rule[], now: Instant): SchedulerAction[] {
    this.#begin(now);
    this.#rules = new Rules(rules);
    // What a rule had left on disk may go now, and where each went may have changed.
    this.#agenda.sweep(now);
    return this.#run(now);
  }

  /** New options from now on. The size of the memory is that of the start until a restart. */
  reconfigured(options: Partial<SchedulerOptions>, now: Instant): SchedulerAction[] {
    this.#begin(now);
    const { memory } = this.#options;
    this.#options = { ...this.#options, ...options, memory };
    this.#dispatcher.reconfigure(this.#options);
    this.#table.reconfigure(this.#options.pacing);
    this.#dispatcher.listAll(this.#table.groups());
    return this.#run(now);
  }

  /** The wall clock went back: what was counted in a future that has not come does not hold mail. */
  clockMoved(now: Instant): SchedulerAction[] {
    this.#begin(now);
    for (const group of this.#table.groups()) {
      for (const path of group.paths.values()) path.clockMoved(now);
      for (const site of group.sites) {
        for (const { backoff } of site.sources.values()) backoff.clockMoved(now, group.pace.values.maxBackoff);
        if (site.blockedUntil() > now) this.#retrySites.set(site, site.blockedUntil());
      }
    }
    this.#dispatcher.listAll(this.#table.groups());
    this.#agenda.sweep(now);
    return this.#run(now);
  }

  /** Nothing is dispatched or read while there is any reason to pause. */
  pause(reason: string): void {
    this.#paused.add(reason);
  }

  unpause(reason: string, now: Instant): SchedulerAction[] {
    this.#begin(now);
    this.#paused.delete(reason);
    return this.#run(now);
  }

  wake(now: Instant): SchedulerAction[] {
    this.#begin(now);
    if (this.#rules.expire(now).length > 0) this.#agenda.sweep(now);
    this.#agenda.wake(now);
    for (let site = this.#retrySites.pop(now); site !== undefined; site = this.#retrySites.pop(now))
      this.#unblocked(site);
    for (let lane = this.#lanes.dueNote(now); lane !== undefined; lane = this.#lanes.dueNote(now))
      this.#intake.want(lane, undefined, now);
    this.#dispatcher.wake(now, this.#step.out);
    return this.#run(now);
  }

  /** When `wake` wants to be called, at the latest. */
  nextWake(): Instant | undefined {
    let next: Instant | undefined;
    for (const at of [
      this.#rules.nextEnd(),
      this.#agenda.nextWake(),
      // Paused, it has nothing to do before that ends.
      this.#paused.size === 0 ? this.#intake.nextWake() : undefined,
      this.#retrySites.next(),
      this.#lanes.nextNote(),
      this.#dispatcher.nextWake(),
    ])
      if (at !== undefined && (next === undefined || at < next)) next = at;
    return next;
  }

  explain(entry: Entry, now: Instant): readonly Explanation[] {
    return explain(entry, {
      now,
      rules: this.#rules,
      table: this.#table,
      paused: [...this.#paused],
      route: this.#setup.routeOf(entry.route, entry),
      waiting: this.#window.get(entry.id),
      inFlight: this.#dispatcher.inFlight,
      maxInFlight: this.#options.maxInFlight,
      maxSlots: this.#options.maxSlots,
      isStarved: (group) => this.#dispatcher.isStarved(group),
    });
  }

  /** What is known of the sites that mail in memory is for. */
  sites(): readonly SiteSummary[] {
    return Array.from(this.#table.sites(), summaryOf).flat();
  }

  /** Sites that were refused may be tried at once. */
  forgetBackOffs(now: Instant): SchedulerAction[] {
    this.#begin(now);
    for (const site of this.#table.sites()) {
      for (const { backoff } of site.sources.values()) backoff.forget();
      this.#unblocked(site);
    }
    this.#agenda.sweep(now);
    return this.#run(now);
  }

  inFlight(): number {
    return this.#dispatcher.inFlight;
  }

  /** Entries in flight that were dispatched before rules of this epoch were in force. */
  inFlightUnder(epoch: number): number {
    let count = 0;
    for (const waiting of this.#window.values()) if (waiting.state === 'inFlight' && waiting.epoch < epoch) count++;
    return count;
  }

  figures(): SchedulerFigures {
    return {
      entries: this.#window.size,
      octets: this.#window.octets,
      inFlight: this.#dispatcher.inFlight,
      slots: this.#slots.size,
      idleSlots: this.#slots.idleCount,
      sites: this.#table.size,
      resolutions: this.#table.resolutions,
      lanes: this.#lanes.size,
      notes: this.#lanes.notes,
    };
  }

  #begin(now: Instant): void {
    this.#step = { now, out: [] };
  }

  /** Does what can be done now and gives the actions of the whole call. */
  #run(now: Instant): SchedulerAction[] {
    const { out } = this.#step;
    if (this.#paused.size === 0) {
      this.#dispatcher.run(now, out);
      this.#intake.run(this.#step);
      if (this.#intake.hasRoomToSpare) this.#agenda.recover(now);
      while (this.#intake.wantsAgenda(now)) {
        const read = this.#agenda.nextRead();
        if (read === undefined) break;
        out.push(read);
      }
    }
    this.#step = { now, out: [] };
    return out;
  }

  #note(entry: Entry): void {
    if (entry.lane === 'held') return;
    if (entry.dueAt > this.#step.now) this.#lanes.note(laneOf(entry), entry.dueAt);
    else this.#intake.wantEntry(entry, this.#step.now);
  }

  #remove(waiting: Waiting): void {
    this.#window.remove(waiting);
    const { site } = waiting;
    if (site === undefined) return;
    site.taken--;
    this.#intake.moved(site, this.#step.now);
  }

  #unblocked(site: Site): void {
    if (this.#table.site(site.name) !== site) return;
    if (site.readyCount > 0) this.#dispatcher.offer(site);
    this.#intake.feed(site, this.#step.now);
  }

  #intakeOwner(): ConstructorParameters<typeof Intake>[0] {
    const options = (): SchedulerOptions => this.#options;
    const rules = (): Rules => this.#rules;
    return {
      get rules() {
        return rules();
      },
      get retry() {
        return options().retry;
      },
      window: this.#window,
      table: this.#table,
      lanes: this.#lanes,
      memory: this.#options.memory * ENTRIES_SHARE,
      routeOf: (name, entry) => this.#setup.routeOf(name, entry),
      offer: (site) => this.#dispatcher.offer(site),
      withdraw: (site) => this.#dispatcher.withdraw(site),
      lost: (partition) => this.#agenda.lost(partition),
    };
  }

  #dispatcherOwner(): ConstructorParameters<typeof Dispatcher>[0] {
    const rules = (): Rules => this.#rules;
    return {
      get rules() {
        return rules();
      },
      random: this.#setup.random,
      putAside: (waiting) => this.#intake.drop(waiting, this.#step.now),
      held: (waiting, rule) => this.#intake.refuse(waiting, { kind: 'held', rule }, this.#step),
      expired: (waiting) => this.#intake.refuse(waiting, { kind: 'expired' }, this.#step),
      blocked: (site, now) => {
        this.#intake.park(site, now);
        this.#retrySites.set(site, site.blockedUntil());
      },
      emptied: (site) => this.#table.release(site),
      progressed: (site, now) => this.#intake.moved(site, now),
    };
  }
}

/**
 * What was changed in the spool may not be tried as it was: it stays in the queue of its site until its turn, and is
 * passed over then. What was in flight is over, and still counts at its site.
 */
function passedOver(waiting: Waiting): Waiting {
  if (waiting.state === 'settling') return waiting;
  waiting.state = 'settling';
  waiting.site = undefined;
  return waiting;
}
