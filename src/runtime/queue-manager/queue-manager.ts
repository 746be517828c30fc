/**
 * The one thread that owns spool, scheduler and limits: long, flat, and without decisions of its own.
 *
 * What it does is carried by its parts: `intake` commits what workers hand over, `attempts` follows each
 * dispatch to its settlement, `teller` makes DSNs, `outbox-writer` feeds the event log, and the scheduler
 * (pure) says what to do next. Here they are joined.
 */

import { type PageQuery, type SitesPage } from '../../api/contract.ts';
import { DsnBudget } from '../../bounce/budget.ts';
import { eventLine } from '../../events/format.ts';
import { type Event } from '../../events/event.ts';
import { type Duration, type Instant, MINUTE } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Clock } from '../../ports/clock.ts';
import { type Log } from '../../ports/log.ts';
import { type Random } from '../../ports/random.ts';
import { type Timer, type Timers } from '../../ports/timers.ts';
import { type Scheduler, type SchedulerOptions } from '../../queue/scheduler.ts';
import { type SchedulerAction, type WorkerId } from '../../queue/scheduling.ts';
import { type Spool } from '../../spool/spool.ts';
import { QUEUE_MANAGER_MAKER, queueIds } from '../ids.ts';
import { type Link } from '../link.ts';
import { type QueueManagerToWorker, type WorkerToQueueManager } from '../messages.ts';
import { Attempts, type AttemptSinks } from './attempts.ts';
import { ClockWatch } from './clock-watch.ts';
import { countWorkerDeath } from './flow-metrics.ts';
import { EntryLocks } from './entry-locks.ts';
import { Gate } from './gate.ts';
import { HandedContent, type Part, readPart } from './handed-content.ts';
import { Intake } from './intake.ts';
import { Leases } from './leases.ts';
import { Lookups } from './lookups.ts';
import { OutboxWriter } from './outbox-writer.ts';
import { type UserRates } from './user-rates.ts';
import { type QueueManagerContext, type QueueSettings } from './ports.ts';
import { QueueChanges } from './queue-changes.ts';
import { RecentMessages } from './recent-messages.ts';
import { siteView } from './queue-views.ts';
import { Settler } from './settler.ts';
import { Teller } from './teller.ts';

export interface QueueManagerDeps {
  readonly spool: Spool;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly settings: QueueSettings;
  /** Absent: nobody is limited. */
  readonly userRates?: UserRates | undefined;
  /** Octets of content kept from commit to first attempt. */
  readonly memoryOctets: number;
  /** Appends to the event log; resolves when the lines are fsynced. Lines of no commit have no sequence number. */
  readonly append: (sequence: number | undefined, lines: string) => Promise<void>;
  /** How long events may wait on their way to the log, so that one write serves many. Not given: not at all. */
  readonly logGather?: Duration;
  /** When an earlier run was last at work, by the clock that it had. */
  readonly lastSeen?: Instant | undefined;
  /** The store cannot be trusted any more: the process must end. */
  readonly broken: (error: unknown) => void;
}

type Submission = Extract<WorkerToQueueManager, { kind: 'accept' }>;

export type WorkerLink = Link<QueueManagerToWorker, WorkerToQueueManager>;

const SITES_PAGE = 100;
const CLOSE_WITHIN = 2000;
/** A clock that was set back by less delays nothing that anybody waits for. */
const WORTH_SETTING_BACK: Duration = MINUTE;
/** Of the octet budget of a worker, which has the blocks of all other deliveries and what comes in to keep as well. */
const HANDED_SHARE = 1 / 4;
const BY_OPERATOR = 'delivery is paused by an operator';

export class QueueManager {
  readonly #deps: QueueManagerDeps;
  readonly #scheduler: Scheduler;
  readonly #workers = new Map<WorkerId, WorkerLink>();
  readonly #recent: RecentMessages;
  readonly #settler: Settler;
  readonly #outbox: OutboxWriter;
  readonly #attempts: Attempts;
  readonly #intake: Intake;
  readonly #teller: Teller;
  readonly #gate: Gate;
  readonly #leases: Leases;
  readonly #lookups: Lookups;
  readonly #clockWatch: ClockWatch;
  readonly locks = new EntryLocks();
  readonly changes: QueueChanges;
  #settings: QueueSettings;
  #wake: Timer | undefined;
  #wakeAt = Infinity;
  #deliveryPaused = false;
  #stopped = false;

  constructor(deps: QueueManagerDeps) {
    this.#deps = deps;
    this.#scheduler = deps.scheduler;
    this.#settings = deps.settings;
    this.#clockWatch = new ClockWatch(deps.clock, deps.lastSeen);
    const { spool, timers, log, clock, random } = deps;
    this.#recent = new RecentMessages(deps.memoryOctets, (worker, message) =>
      this.#post(worker, { kind: 'forget', message }),
    );
    this.#settler = new Settler({
      ...{ spool, timers, log },
      logged: () => this.#outbox.position(),
      committed: () => this.#outbox.poke(),
    });
    const recordPosition = (): Promise<void> => this.#settler.settle({});
    this.#outbox = new OutboxWriter({
      ...{ spool, timers, log, append: deps.append, recordPosition },
      ...(deps.logGather !== undefined && { gather: deps.logGather }),
    });
    const context: QueueManagerContext = {
      ...{ spool, clock, timers, random, log, settler: this.#settler },
      settings: () => this.#settings,
      clockState: () => this.#clockWatch.state,
      tell: (event) => this.#tell(event),
      broken: deps.broken,
    };
    const handed = new HandedContent(deps.memoryOctets * HANDED_SHARE);
    this.#attempts = new Attempts(context, { recent: this.#recent, handed }, this.#attemptSinks());
    const accepted = (entries: readonly Entry[], admitted: boolean): void =>
      this.#perform(this.#scheduler.accepted(entries, admitted, this.#now()));
    this.#intake = new Intake(context, this.#recent, {
      admit: (entries) => this.#scheduler.admit(entries, this.#now()),
      accepted,
      forget: (entries) => this.#scheduler.forget(entries),
      committed: () => this.#outbox.poke(),
    });
    const nextId = queueIds(QUEUE_MANAGER_MAKER, clock, random);
    const budget = new DsnBudget(deps.settings.dsnBudget);
    this.#teller = new Teller({ ...context, budget, nextId, accepted: (entries) => accepted(entries, false) });
    this.#gate = new Gate(context, (state) => this.#broadcast({ kind: 'intake', state }));
    this.#leases = new Leases(() => this.#settings.maxLeases);
    this.#lookups = new Lookups({
      workers: () => [...this.#workers.keys()],
      ask: (worker, question) => this.#workers.get(worker)?.post({ kind: 'resolve', ...question }),
      answered: (routingDomain, route, answer) =>
        this.#perform(this.#scheduler.resolved(routingDomain, route, answer, this.#now())),
    });
    this.changes = new QueueChanges(context, {
      locks: this.locks,
      settled: (entry, next) => this.#perform(this.#scheduler.settled(entry, next, this.#now())),
      rules: (rules) => this.#perform(this.#scheduler.rulesChanged(rules, this.#now())),
      inFlightUnder: (epoch) => this.#scheduler.inFlightUnder(epoch),
      noticed: () => this.#teller.poke(),
    });
  }

  get settings(): QueueSettings {
    return this.#settings;
  }

  get attempts(): Attempts {
    return this.#attempts;
  }

  get gate(): Gate {
    return this.#gate;
  }

  /** Reads what an earlier run left and begins. */
  async start(): Promise<void> {
    await this.changes.load();
    await this.#gate.check();
    this.#perform(this.#scheduler.start(this.#now()));
    this.#setBack((this.#deps.lastSeen ?? -Infinity) - this.#now());
    this.#outbox.poke();
    this.#teller.poke();
    this.#checkGateLater();
  }

  workerJoined(worker: WorkerId, link: WorkerLink, capacity: number): void {
    this.#workers.set(worker, link);
    link.onMessage((message) => this.#take(worker, link, message));
    link.post({ kind: 'intake', state: this.#gate.state });
    link.post({ kind: 'softBounce', on: this.#settings.softBounce });
    this.#lookups.workerJoined();
    this.#perform(this.#scheduler.workerJoined(worker, capacity, this.#now()));
  }

  /** The worker's thread is gone: what it had in flight is not. */
  workerLeft(worker: WorkerId): void {
    const link = this.#workers.get(worker);
    if (link === undefined) return;
    countWorkerDeath();
    this.#workers.delete(worker);
    link.close();
    this.#leases.workerLeft(worker);
    this.#recent.workerLeft(worker);
    this.#lookups.workerLeft(worker);
    const { actions } = this.#scheduler.workerLeft(worker, this.#now());
    this.#attempts.workerLost(worker);
    this.#perform(actions);
  }

  reconfigure(settings: QueueSettings, options: Partial<SchedulerOptions> = {}): void {
    const { softBounce: on } = settings;
    if (on !== this.#settings.softBounce) this.#broadcast({ kind: 'softBounce', on });
    this.#settings = settings;
    this.#perform(this.#scheduler.reconfigured(options, this.#now()));
    void this.#gate.check().catch(this.#deps.broken);
  }

  /** Nothing new goes out or comes in; resolves when nothing is in flight any more, or after `within` milliseconds. */
  async drain(within: number): Promise<void> {
    this.#gate.drain();
    this.#scheduler.pause('draining');
    const until = this.#deps.clock.monotonic() + within;
    while (this.#busy() && this.#deps.clock.monotonic() < until) await this.#pause(20);
    this.#stopped = true;
    this.#wake?.cancel();
  }

  /** What was just learned is still recorded, if that does not take long; then nothing is written any more. */
  async close(): Promise<void> {
    this.#stopped = true;
    const until = this.#deps.clock.monotonic() + CLOSE_WITHIN;
    while (this.#busy() && this.#deps.clock.monotonic() < until) await this.#pause(5);
    // On a full disk they would not end.
    const lastWords = Promise.all([this.#teller.close(), this.#settler.settle({ put: this.#attempts.uncounted() })]);
    await Promise.race([lastWords, this.#pause(CLOSE_WITHIN)]);
    await this.#outbox.close();
  }

  get delivery(): 'running' | 'paused' {
    return this.#deliveryPaused ? 'paused' : 'running';
  }

  pauseDelivery(): void {
    this.#deliveryPaused = true;
    this.#scheduler.pause(BY_OPERATOR);
  }

  unpauseDelivery(): void {
    this.#deliveryPaused = false;
    this.#perform(this.#scheduler.unpause(BY_OPERATOR, this.#now()));
  }

  /** Messages that were kept need be no longer; resolves when that is on disk. */
  letGo(ids: readonly QueueId[]): Promise<void> {
    return this.#settler.settle({ letGo: ids });
  }

  /** An event that belongs to no commit. */
  record(line: string): void {
    this.#outbox.tell(line);
  }

  /** Events of what was done elsewhere, which must not be lost: in a commit of their own. */
  commitEvents(events: readonly string[]): Promise<void> {
    return this.#settler.settle({ events });
  }

  clockMoved(): void {
    this.#teller.clockMoved();
    this.#perform(this.#scheduler.wake(this.#now()));
  }

  figures(): Readonly<Record<string, number>> {
    return { ...this.#scheduler.figures(), inFlight: this.#attempts.inFlight, workers: this.#workers.size };
  }

  /** A page of sites by name. */
  sites({ after = '', limit = SITES_PAGE }: PageQuery): SitesPage {
    const rows = this.#scheduler.sites().filter(({ path, site }) => `${site} ${path}` > after);
    const sorted = rows.sort((a, b) => (`${a.site} ${a.path}` < `${b.site} ${b.path}` ? -1 : 1));
    const page = sorted.slice(0, limit);
    const last = page.length < sorted.length ? page.at(-1) : undefined;
    const now = this.#now();
    return {
      sites: page.map((row) => siteView(row, now)),
      next: last === undefined ? undefined : `${last.site} ${last.path}`,
    };
  }

  /** Every site may be tried again at once. */
  forgetBackOffs(): void {
    this.#perform(this.#scheduler.forgetBackOffs(this.#now()));
  }

  explain(entry: Entry): ReturnType<Scheduler['explain']> {
    return this.#scheduler.explain(entry, this.#now());
  }

  #attemptSinks(): AttemptSinks {
    return {
      send: (worker, dispatch) => this.#post(worker, { kind: 'dispatch', dispatch }),
      sendKept: (worker, dispatch, last) => this.#post(worker, { kind: 'dispatchKept', dispatch, last }),
      forget: (worker, message) => this.#post(worker, { kind: 'forget', message }),
      isOpen: (slot) => this.#scheduler.isOpen(slot),
      closeSlot: (worker, slot) => this.#post(worker, { kind: 'closeSlot', slot }),
      finished: (finished) => this.#perform(this.#scheduler.finished(finished, this.#now())),
      settled: (entry, next) => this.#perform(this.#scheduler.settled(entry, next, this.#now())),
      noticed: () => this.#teller.poke(),
      over: (message) => this.#teller.over(message),
      locks: this.locks,
    };
  }

  /** A worker that is gone hears nothing. */
  #post(worker: WorkerId, message: QueueManagerToWorker): void {
    this.#workers.get(worker)?.post(message);
  }

  #busy(): boolean {
    return this.#attempts.inFlight > 0 || this.#intake.open > 0 || this.#settler.unsettled > 0;
  }

  #submitted(worker: WorkerId, link: WorkerLink, { call, message, keeps }: Submission): void {
    const excess = this.#deps.userRates?.excess(message);
    if (excess !== undefined) return link.post({ kind: 'submitted', call, result: excess, kept: false });
    return this.#intake.take(message, keeps ? worker : undefined, (result, kept) => {
      link.post({ kind: 'submitted', call, result, kept });
    });
  }

  #take(worker: WorkerId, link: WorkerLink, message: WorkerToQueueManager): void {
    switch (message.kind) {
      case 'accept':
        return this.#submitted(worker, link, message);
      case 'report':
        return this.#attempts.reported(message.report);
      case 'slotClosed':
        return this.#perform(this.#scheduler.slotClosed(message.slot, this.#now()));
      case 'resolved':
        return this.#lookups.resolved(message.routingDomain, message.route, message.answer);
      case 'lease':
        return link.post({ kind: 'leased', call: message.call, granted: this.#leases.take(message.site, worker) });
      case 'readContent':
        return this.#read(this.#readContent(link, message));
      case 'leaseEnd':
        return this.#leases.give(message.site, worker);
      case 'event':
        return this.#outbox.tell(message.line);
    }
  }

  #perform(actions: readonly SchedulerAction[]): void {
    if (this.#stopped) return;
    for (const action of actions) this.#performOne(action);
    this.#planWake();
  }

  #performOne(action: SchedulerAction): void {
    switch (action.kind) {
      case 'dispatch':
        return this.#attempts.dispatch(action);
      case 'settle':
        return this.#attempts.withoutDispatch(action.entry, action.verdict);
      case 'closeSlot':
        return void this.#workers.get(action.worker)?.post({ kind: 'closeSlot', slot: action.slot });
      case 'readAgenda':
        return this.#read(this.#readAgenda(action));
      case 'readDue':
        return this.#read(this.#readDue(action));
      case 'resolve':
        return this.#lookups.look(action);
    }
  }

  #read(reading: Promise<void>): void {
    reading.catch(this.#deps.broken);
  }

  async #readAgenda({ partition, after, limit }: Extract<SchedulerAction, { kind: 'readAgenda' }>): Promise<void> {
    const { rows, next } = await this.#deps.spool.agenda(partition, after, limit);
    this.#perform(this.#scheduler.agendaRead(partition, after, rows, next, this.#now()));
  }

  async #readContent(link: WorkerLink, asked: Part & { readonly call: number }): Promise<void> {
    const octets = await readPart(asked, { recent: this.#recent, spool: this.#deps.spool });
    link.post({ kind: 'contentRead', call: asked.call, octets }, octets === undefined ? [] : [octets.buffer]);
  }

  async #readDue({ lane, after, limit }: Extract<SchedulerAction, { kind: 'readDue' }>): Promise<void> {
    const { rows, next } = await this.#deps.spool.due(lane, after, limit);
    this.#perform(this.#scheduler.dueRead(lane, after, rows, next, this.#now()));
  }

  #planWake(): void {
    const at = this.#scheduler.nextWake() ?? Infinity;
    if (at === this.#wakeAt) return;
    this.#wake?.cancel();
    this.#wakeAt = at;
    if (at === Infinity) return;
    this.#wake = this.#deps.timers.after(at - this.#now(), () => {
      this.#wakeAt = Infinity;
      this.#perform(this.#scheduler.wake(this.#now()));
    });
  }

  #checkGateLater(): void {
    this.#deps.timers.after(this.#settings.freeSpaceCheck, () => {
      if (this.#stopped) return;
      this.#watchClock();
      this.#gate.check().then(() => this.#checkGateLater(), this.#deps.broken);
    });
  }

  /** Set back: times that are remembered lie too far ahead. Set forward: timers would fire too late. */
  #watchClock(): void {
    const by = this.#clockWatch.look();
    if (by === 0) return;
    this.#deps.log.warn('the clock was set', { byMs: Math.round(by) });
    if (by < 0) this.#perform(this.#scheduler.clockMoved(this.#now()));
    this.#setBack(-by);
    this.clockMoved();
  }

  /** In pages, while all else goes on. */
  #setBack(by: Duration): void {
    if (by >= WORTH_SETTING_BACK) this.changes.clockSetBack(by).catch(this.#deps.broken);
  }

  #broadcast(message: QueueManagerToWorker): void {
    for (const link of this.#workers.values()) link.post(message);
  }

  #tell(event: Event): void {
    this.#outbox.tell(eventLine(event));
  }

  #now(): number {
    return this.#deps.clock.now();
  }

  #pause(duration: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.timers.after(duration, resolve));
  }
}
