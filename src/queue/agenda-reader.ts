/**
 * Goes through the agendas of the partitions, a page at a time, a bounded number at once.
 *
 * Each partition is swept from its beginning once in a while, since rows may be too early and queues that
 * could not be taken are left behind; in between it is read on from where the due rows ended, when the first
 * row beyond becomes due. A page that can only be taken in part is read again from there when there is room.
 * A partition of which something was taken and lost again does not wait for its sweep: it is read from its
 * beginning when the caller has room to spare.
 */

import { TimeHeap } from '../lib/heap.ts';
import { Ring } from '../lib/ring.ts';
import { MINUTE, type Duration, type Instant } from '../lib/time.ts';
import { type Partition } from '../mail/partition.ts';
import { type AgendaPosition, type SchedulerAction } from './scheduling.ts';

export interface AgendaOptions {
  readonly partitions: readonly Partition[];
  readonly rowsPerPage: number;
  /** Reads under way at once. */
  readonly concurrent: number;
  readonly sweepEvery: Duration;
}

export const AGENDA_DEFAULTS = { rowsPerPage: 64, concurrent: 4, sweepEvery: MINUTE };

interface PartitionState {
  after: AgendaPosition | undefined;
  /** The last row that was due: where a later look goes on. */
  frontier: AgendaPosition | undefined;
  sweepAt: Instant;
  reading: boolean;
  /** Rows before `after` are wanted again. */
  lost: boolean;
}

export interface AgendaPage {
  readonly partition: Partition;
  readonly rows: readonly AgendaPosition[];
  readonly next: AgendaPosition | undefined;
}

export class AgendaReader {
  readonly #options: AgendaOptions;
  readonly #states = new Map<Partition, PartitionState>();
  /** Partitions to read now. */
  readonly #ready = new Ring<Partition>();
  /** When the others are to be read. */
  readonly #times = new TimeHeap<Partition>();
  /** Of the others, those of which something was lost. */
  readonly #lost = new Set<Partition>();
  #reads = 0;

  constructor(options: AgendaOptions) {
    this.#options = options;
  }

  start(now: Instant): void {
    for (const partition of this.#options.partitions) {
      if (this.#states.has(partition)) continue;
      const sweepAt = now + this.#options.sweepEvery;
      this.#states.set(partition, { after: undefined, frontier: undefined, sweepAt, reading: false, lost: false });
      this.#ready.push(partition);
    }
  }

  nextWake(): Instant | undefined {
    return this.#times.next();
  }

  wake(now: Instant): void {
    for (let due = this.#times.pop(now); due !== undefined; due = this.#times.pop(now)) this.#begin(due, now);
  }

  /** Every partition from its beginning, soon: rules or options changed. */
  sweep(now: Instant): void {
    for (const [partition, state] of this.#states) {
      state.sweepAt = now;
      if (this.#times.timeOf(partition) !== undefined) this.#times.set(partition, now);
    }
    this.wake(now);
  }

  /** A queue of the partition that was taken is to be named again. */
  lost(partition: Partition): void {
    const state = this.#states.get(partition);
    if (state === undefined || state.lost) return;
    state.lost = true;
    if (this.#times.timeOf(partition) !== undefined) this.#lost.add(partition);
  }

  /** There is room to spare: one of the partitions of which something was lost is read next. */
  recover(now: Instant): void {
    if (this.#ready.length > 0) return;
    const [partition] = this.#lost;
    const state = partition === undefined ? undefined : this.#states.get(partition);
    if (partition === undefined || state === undefined) return;
    this.#times.remove(partition);
    state.sweepAt = now;
    this.#begin(partition, now);
  }

  /** The next page to ask for. The caller asks while it has room. */
  nextRead(): SchedulerAction | undefined {
    if (this.#reads >= this.#options.concurrent) return undefined;
    const partition = this.#ready.shift();
    const state = partition === undefined ? undefined : this.#states.get(partition);
    if (partition === undefined || state === undefined) return undefined;
    state.reading = true;
    this.#reads++;
    return { kind: 'readAgenda', partition, after: state.after, limit: this.#options.rowsPerPage };
  }

  /** A page has come. `take` takes a due queue, or says that there is no room. */
  read(page: AgendaPage, now: Instant, take: (row: AgendaPosition) => boolean): void {
    const state = this.#states.get(page.partition);
    if (state?.reading !== true) return;
    state.reading = false;
    this.#reads--;
    for (const row of page.rows) {
      if (row.dueAt > now) return this.#rest(page.partition, state, Math.min(row.dueAt, state.sweepAt));
      if (!take(row)) return this.#ready.push(page.partition);
      state.after = row;
      state.frontier = row;
    }
    if (page.next === undefined) return this.#rest(page.partition, state, state.sweepAt);
    state.after = page.next;
    this.#ready.push(page.partition);
  }

  #rest(partition: Partition, state: PartitionState, until: Instant): void {
    state.after = state.frontier;
    this.#times.set(partition, until);
    if (state.lost) this.#lost.add(partition);
  }

  #begin(partition: Partition, now: Instant): void {
    const state = this.#states.get(partition);
    if (state === undefined) return;
    this.#lost.delete(partition);
    if (now >= state.sweepAt) {
      state.lost = false;
      state.after = undefined;
      state.sweepAt = now + this.#options.sweepEvery;
    }
    this.#ready.push(partition);
  }
}
