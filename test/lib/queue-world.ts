/**
 * A world for the scheduler: a spool in memory, receivers that behave as told, and a clock moved by hand.
 *
 * It does what the queue manager does with the scheduler's actions, and checks on the way that no entry is
 * given twice and that no limit is exceeded.
 */

import assert from 'node:assert/strict';
import { TimeHeap } from '../../src/lib/heap.ts';
import { type Entry, type EntryId } from '../../src/mail/entry.ts';
import { type Notice } from '../../src/mail/notice.ts';
import { type Outcome } from '../../src/mail/outcome.ts';
import { partitionOf, PARTITIONS } from '../../src/mail/partition.ts';
import { type QueueName } from '../../src/mail/queue-name.ts';
import { type MxRoute } from '../../src/mail/route.ts';
import { dispose, disposeWithoutDispatch, type Disposition } from '../../src/queue/disposition.ts';
import { DEFAULT_RETRY } from '../../src/queue/retry.ts';
import { Scheduler, type SchedulerSetup } from '../../src/queue/scheduler.ts';
import { type Finished, type LaneRef, type SchedulerAction } from '../../src/queue/scheduling.ts';
import { type SiteAnswer } from '../../src/queue/site.ts';
import { delivered, undelivered } from './entries.ts';

export type DispatchAction = Extract<SchedulerAction, { kind: 'dispatch' }>;

export interface Answer {
  /** Milliseconds. */
  readonly takes: number;
  readonly outcome: Outcome;
  readonly effect: Finished['effect'];
  readonly connection?: 'open' | 'closed';
}

export const ACCEPTS: Answer = { takes: 20, outcome: delivered(), effect: 'success' };
export const REFUSES: Answer = {
  takes: 50,
  outcome: undelivered({ scope: 'site', cause: 'connection', status: '4.4.1', diagnostic: 'postrider: refused' }),
  effect: 'refused',
  connection: 'closed',
};

export interface WorldOptions extends Partial<SchedulerSetup> {
  /** How a receiver answers; by default every one accepts. */
  readonly answer?: (dispatch: DispatchAction, now: number) => Answer;
  readonly resolve?: (routingDomain: string, now: number) => SiteAnswer;
  readonly workers?: number;
  readonly seed?: number;
  readonly spool?: SpoolModel;
}

export const MX: MxRoute = { kind: 'mx', name: 'mx', match: {}, port: 25, tls: 'opportunistic' };

export function siteAnswer(site: string, ttl = 300_000): SiteAnswer {
  const [first = site, ...rest] = site.split(',').map((name) => ({ name, preference: 10 }));
  return {
    kind: 'site',
    site,
    hosts: [first as { name: string; preference: number }, ...rest] as never,
    ttl,
    authenticated: false,
  };
}

interface Deed {
  readonly run: () => readonly SchedulerAction[];
}

export class World {
  now = 0;
  readonly scheduler: Scheduler;
  readonly spool: SpoolModel;
  /** Every dispatch, in order. */
  readonly dispatches: { readonly at: number; readonly action: DispatchAction }[] = [];
  readonly over: { readonly at: number; readonly entry: Entry; readonly kind: string }[] = [];
  readonly notices: Notice[] = [];
  readonly reads = { agenda: 0, due: 0, resolve: 0 };
  keepHistory = true;
  wakes = 0;
  most = { octets: 0, inFlight: 0, lanes: 0, sites: 0 };
  readonly slots = new Map<number, { readonly path: string; readonly action: DispatchAction; busy: number }>();
  readonly slotsByPath = new Map<string, number>();
  mostSlots = new Map<string, number>();
  readonly #inFlight = new Map<EntryId, DispatchAction>();
  readonly #deeds = new TimeHeap<Deed>();
  readonly #options: WorldOptions;
  readonly #random: () => number;
  #ids = 1_000_000;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.spool = options.spool ?? new ModelSpool();
    this.#random = seeded(options.seed ?? 1);
    this.scheduler = new Scheduler({
      partitions: Array.from({ length: PARTITIONS }, (_, i) => i),
      random: this.#random,
      routeOf: (name) => (name === 'mx' ? MX : undefined),
      ...options,
    });
    for (let worker = 0; worker < (options.workers ?? 2); worker++)
      this.perform(this.scheduler.workerJoined(worker, 1000, this.now));
  }

  start(): void {
    this.perform(this.scheduler.start(this.now));
  }

  /** New mail, as the queue manager commits it. Whether it went in by memory. */
  accept(entry: Entry): boolean {
    const admitted = this.scheduler.admit([entry], this.now);
    const stored = { ...entry, dueAt: admitted ? this.now + 60_000 : this.now };
    this.spool.put(stored);
    this.perform(this.scheduler.accepted([admitted ? entry : stored], admitted, this.now));
    return admitted;
  }

  /** Goes on until nothing is left to happen before `until`. */
  run(until: number): void {
    for (;;) {
      const wake = this.scheduler.nextWake() ?? Infinity;
      const deed = this.#deeds.next() ?? Infinity;
      const next = Math.max(Math.min(wake, deed), this.now);
      if (next > until) break;
      this.now = next;
      const due = this.#deeds.pop(next);
      if (due !== undefined) this.perform(due.run());
      else {
        this.wakes++;
        this.perform(this.scheduler.wake(next));
        assert.ok((this.scheduler.nextWake() ?? Infinity) > next, 'wake leaves nothing due');
      }
    }
    this.now = until;
  }

  perform(actions: readonly SchedulerAction[]): void {
    for (const action of actions) this.#perform(action);
    const { octets, inFlight, lanes, sites } = this.scheduler.figures();
    const { most } = this;
    this.most = {
      octets: Math.max(most.octets, octets),
      inFlight: Math.max(most.inFlight, inFlight),
      lanes: Math.max(most.lanes, lanes),
      sites: Math.max(most.sites, sites),
    };
  }

  /** Later, by `takes` milliseconds. */
  later(takes: number, run: () => readonly SchedulerAction[]): void {
    this.#deeds.set({ run }, this.now + takes);
  }

  delivered(where: (entry: Entry) => boolean = () => true): number {
    return this.over.filter(({ entry, kind }) => kind === 'delivered' && where(entry)).length;
  }

  #perform(action: SchedulerAction): void {
    const { scheduler, spool } = this;
    switch (action.kind) {
      case 'readAgenda':
        this.reads.agenda++;
        this.later(1, () => {
          const { rows, next } = spool.agenda(action.partition, action.after, action.limit);
          return scheduler.agendaRead(action.partition, action.after, rows, next, this.now);
        });
        break;
      case 'readDue':
        this.reads.due++;
        this.later(1, () => {
          const { rows, next } = spool.due(action.lane, action.after, action.limit);
          return scheduler.dueRead(action.lane, action.after, rows, next, this.now);
        });
        break;
      case 'resolve': {
        this.reads.resolve++;
        const answer =
          this.#options.resolve?.(action.routingDomain, this.now) ?? siteAnswer(`mx.${action.routingDomain}`);
        this.later(5, () => scheduler.resolved(action.routingDomain, action.route.name, answer, this.now));
        break;
      }
      case 'dispatch':
        this.#dispatch(action);
        break;
      case 'settle': {
        const context = this.#context(this.now, action.entry);
        this.#settle(action.entry, disposeWithoutDispatch(action.entry, action.verdict, context));
        break;
      }
      case 'closeSlot':
        this.#closed(action.slot);
        break;
    }
  }

  #dispatch(action: DispatchAction): void {
    const { entry, slot, path } = action;
    assert.ok(!this.#inFlight.has(entry.id), `${entry.id} is given twice`);
    const stored = this.spool.entry(entry.id);
    assert.ok(stored !== undefined, `${entry.id} is not in the spool`);
    assert.equal(stored.attempts, entry.attempts, `${entry.id} is stale`);
    this.#inFlight.set(entry.id, action);
    if (this.keepHistory) this.dispatches.push({ at: this.now, action });
    const known = this.slots.get(slot);
    if (known === undefined) {
      this.slots.set(slot, { path, action, busy: 1 });
      const count = (this.slotsByPath.get(path) ?? 0) + 1;
      this.slotsByPath.set(path, count);
      this.mostSlots.set(path, Math.max(this.mostSlots.get(path) ?? 0, count));
    } else known.busy++;
    const answer = this.#options.answer?.(action, this.now) ?? ACCEPTS;
    const startedAt = this.now;
    // What is queued ahead on a busy slot runs after what is before it.
    this.later(answer.takes * (known?.busy ?? 1), () => this.#finish(action, answer, startedAt));
  }

  #finish(action: DispatchAction, answer: Answer, startedAt: number): readonly SchedulerAction[] {
    const { entry, slot } = action;
    // Of a worker that died nothing is heard.
    if (this.#inFlight.get(entry.id) !== action) return [];
    this.#inFlight.delete(entry.id);
    const known = this.slots.get(slot);
    assert.ok(known !== undefined, `slot ${slot} is open`);
    known.busy--;
    const connection = answer.connection ?? 'open';
    if (connection === 'closed' && known.busy === 0) this.#closed(slot);
    const outcomes = entry.recipients.map(() => answer.outcome);
    this.#settle(entry, dispose(entry, outcomes, this.#context(startedAt, entry)));
    const { effect } = answer;
    const diagnostic = answer.outcome.diagnostic;
    return this.scheduler.finished(
      { slot, entry: entry.id, connection, effect, diagnostic, wait: undefined },
      this.now,
    );
  }

  /** A worker dies; its entries are due again at once. */
  kill(worker: number): readonly Entry[] {
    const { actions, lost } = this.scheduler.workerLeft(worker, this.now);
    for (const [slot, { action }] of this.slots) if (action.worker === worker) this.#closed(slot);
    this.perform(actions);
    for (const entry of lost) {
      this.#inFlight.delete(entry.id);
      const next = { ...entry, crashes: entry.crashes + 1, dueAt: this.now };
      this.spool.put(next);
      this.later(5, () => this.scheduler.settled(entry.id, [next], this.now));
    }
    return lost;
  }

  #closed(slot: number): void {
    const known = this.slots.get(slot);
    assert.ok(known !== undefined, `slot ${slot} is closed once`);
    this.slots.delete(slot);
    this.slotsByPath.set(known.path, (this.slotsByPath.get(known.path) ?? 0) - 1);
  }

  #settle(entry: Entry, { remove, put, over, notices }: Disposition): void {
    this.later(2, () => {
      for (const id of remove) this.spool.remove(id);
      for (const next of put) this.spool.put(next);
      if (this.keepHistory) for (const { kind } of over) this.over.push({ at: this.now, entry, kind });
      this.notices.push(...notices);
      return this.scheduler.settled(entry.id, put, this.now);
    });
  }

  #context(startedAt: number, entry: Entry): Parameters<typeof dispose>[2] {
    return {
      now: this.now,
      startedAt,
      retry: this.#options.retry ?? DEFAULT_RETRY,
      random: this.#random,
      clock: 'steady',
      failures: 'final',
      tell: 'sender',
      nextEntryId: () => `${entry.message}/${this.#ids++}`,
    };
  }
}

export interface AgendaRow {
  readonly dueAt: number;
  readonly queue: QueueName;
}

export interface Position {
  readonly dueAt: number;
  readonly entry: EntryId;
}

/** What the world asks of a spool. */
export interface SpoolModel {
  readonly size: number;
  entry(id: EntryId): Entry | undefined;
  values(): Iterable<Entry>;
  put(entry: Entry): void;
  remove(id: EntryId): void;
  due(lane: LaneRef, after: Position | undefined, limit: number): Page<Entry, Position>;
  agenda(partition: number, after: AgendaRow | undefined, limit: number): Page<AgendaRow, AgendaRow>;
}

interface Page<T, K> {
  readonly rows: readonly T[];
  readonly next: K | undefined;
}

/** The spool's due index and agenda, as its contract has them: rows may be too early, never too late. */
export class ModelSpool implements SpoolModel {
  readonly #entries = new Map<EntryId, Entry>();
  readonly #lanes = new Map<string, Sorted<Position>>();
  readonly #agendas = new Map<number, Sorted<AgendaRow>>();
  readonly #rows = new Map<QueueName, number>();

  get size(): number {
    return this.#entries.size;
  }

  entry(id: EntryId): Entry | undefined {
    return this.#entries.get(id);
  }

  values(): Iterable<Entry> {
    return this.#entries.values();
  }

  put(entry: Entry): void {
    this.remove(entry.id);
    this.#entries.set(entry.id, entry);
    let lane = this.#lanes.get(keyOf(entry));
    if (lane === undefined) this.#lanes.set(keyOf(entry), (lane = new Sorted(comparePositions)));
    lane.add({ dueAt: entry.dueAt, entry: entry.id });
    if (entry.lane !== 'held') this.#row(entry);
  }

  remove(id: EntryId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#lanes.get(keyOf(entry))?.delete({ dueAt: entry.dueAt, entry: id });
  }

  due(
    lane: LaneRef,
    after: Position | undefined,
    limit: number,
  ): { rows: readonly Entry[]; next: Position | undefined } {
    const sorted = this.#lanes.get(keyOf(lane));
    const page = sorted?.page(after, limit) ?? [];
    const rows = page.map(({ entry }) => this.#entries.get(entry)!);
    return { rows, next: page.length === limit ? page.at(-1) : undefined };
  }

  agenda(partition: number, after: AgendaRow | undefined, limit: number): Page<AgendaRow, AgendaRow> {
    const sorted = this.#agendas.get(partition);
    const page = sorted?.page(after, limit) ?? [];
    for (const row of page) this.#mend(partition, row);
    return { rows: page, next: page.length === limit ? page.at(-1) : undefined };
  }

  #row({ routingDomain, queue, dueAt }: Entry): void {
    const partition = partitionOf(routingDomain);
    let sorted = this.#agendas.get(partition);
    if (sorted === undefined) this.#agendas.set(partition, (sorted = new Sorted(compareRows)));
    const known = this.#rows.get(queue);
    if (known !== undefined && known <= dueAt) return;
    if (known !== undefined) sorted.delete({ dueAt: known, queue });
    sorted.add({ dueAt, queue });
    this.#rows.set(queue, dueAt);
  }

  /** After it was read, a row that was too early is put where it belongs. */
  #mend(partition: number, { dueAt, queue }: { readonly dueAt: number; readonly queue: QueueName }): void {
    let truth = Infinity;
    for (const priority of ['transactional', 'normal', 'bulk'])
      for (const lane of ['fresh', 'deferred'])
        truth = Math.min(truth, this.#lanes.get(`${queue} ${priority} ${lane}`)?.first()?.dueAt ?? Infinity);
    if (truth === dueAt) return;
    const sorted = this.#agendas.get(partition)!;
    sorted.delete({ dueAt, queue });
    this.#rows.delete(queue);
    if (truth === Infinity) return;
    sorted.add({ dueAt: truth, queue });
    this.#rows.set(queue, truth);
  }
}

/** A sorted array in chunks: enough for a million elements. */
class Sorted<T> {
  readonly #compare: (a: T, b: T) => number;
  #chunks: T[][] = [[]];

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  first(): T | undefined {
    return this.#chunks.find((chunk) => chunk.length > 0)?.[0];
  }

  add(value: T): void {
    const index = this.#chunkOf(value);
    const chunk = this.#chunks[index]!;
    chunk.splice(this.#place(chunk, value), 0, value);
    if (chunk.length > 1024) this.#chunks.splice(index, 1, chunk.slice(0, 512), chunk.slice(512));
  }

  delete(value: T): void {
    const index = this.#chunkOf(value);
    const chunk = this.#chunks[index]!;
    const place = this.#place(chunk, value);
    const found = chunk[place];
    if (found === undefined || this.#compare(found, value) !== 0) return;
    chunk.splice(place, 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(index, 1);
  }

  page(after: T | undefined, limit: number): T[] {
    let index = after === undefined ? 0 : this.#chunkOf(after);
    let place = after === undefined ? 0 : this.#place(this.#chunks[index]!, after);
    const found = this.#chunks[index]![place];
    if (after !== undefined && found !== undefined && this.#compare(found, after) === 0) place++;
    const page: T[] = [];
    while (page.length < limit && index < this.#chunks.length) {
      page.push(...this.#chunks[index]!.slice(place, place + limit - page.length));
      index++;
      place = 0;
    }
    return page;
  }

  #chunkOf(value: T): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = this.#chunks[middle]!.at(-1);
      if (last !== undefined && this.#compare(last, value) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #place(chunk: readonly T[], value: T): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(chunk[middle]!, value) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function keyOf({ queue, class: priority, lane }: Pick<LaneRef, 'queue' | 'class' | 'lane'>): string {
  return `${queue} ${priority} ${lane}`;
}

function comparePositions(a: Position, b: Position): number {
  return a.dueAt - b.dueAt || (a.entry < b.entry ? -1 : Number(a.entry > b.entry));
}

function compareRows(a: AgendaRow, b: AgendaRow): number {
  return a.dueAt - b.dueAt || (a.queue < b.queue ? -1 : Number(a.queue > b.queue));
}

/** Mulberry32: small, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
