/**
 * Lanes that are being read from disk, and lanes that will have something due.
 *
 * A reader is the place up to which a lane (a queue's class and lane) has been read. It owns no entries and can
 * be dropped at any moment: the agenda names its queue again. So can a note of when a lane is due next.
 */

import { TimeHeap } from '../lib/heap.ts';
import { type Instant } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';
import { partitionOf, type Partition } from '../mail/partition.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type QueueName } from '../mail/queue-name.ts';
import { type DuePosition, type LaneRef } from './scheduling.ts';
import { type Site } from './site-state.ts';
import { tenantOf } from './window.ts';

export interface LaneReader {
  readonly ref: LaneRef;
  readonly key: string;
  readonly tenant: string;
  /** Read up to here. */
  after: DuePosition | undefined;
  /** There may be more that is due. */
  more: boolean;
  /** In a queue of readers, or with a read under way; then it is nowhere else. */
  busy: boolean;
  /** Something was put before `after` while a read was under way. */
  again: boolean;
  site: Site | undefined;
  /** Since when it has had its place. */
  readonly openedAt: Instant;
}

export interface ReadUnderWay {
  readonly reader: LaneReader;
  /** `care`: only looks for entries that expired or must be told of. */
  readonly kind: 'refill' | 'care';
  /** Octets of the window that are kept free for it. */
  readonly reserved: number;
  /** Number of settlements known when it was sent. */
  readonly since: number;
}

export function laneKey(ref: Pick<LaneRef, 'queue' | 'class' | 'lane'>): string {
  return `${ref.queue} ${ref.class} ${ref.lane}`;
}

export function laneOf(entry: Entry): LaneRef {
  const { queue, class: priority, lane } = entry;
  return { partition: partitionOf(entry.routingDomain), queue, class: priority, lane };
}

export class Lanes {
  readonly #readers = new Map<string, LaneReader>();
  readonly #notes = new TimeHeap<string>();
  readonly #noted = new Map<string, LaneRef>();
  readonly most: number;

  /** At most so many readers, and as many notes. */
  constructor(most: number) {
    this.most = most;
  }

  get size(): number {
    return this.#readers.size;
  }

  get notes(): number {
    return this.#notes.size;
  }

  get full(): boolean {
    return this.#readers.size >= this.most;
  }

  get(key: string): LaneReader | undefined {
    return this.#readers.get(key);
  }

  /** The reader of the lane. Made when there is none, even beyond the limit: the caller has looked at `full`. */
  open(ref: LaneRef, now: Instant): LaneReader {
    const key = laneKey(ref);
    const known = this.#readers.get(key);
    if (known !== undefined) return known;
    const reader: LaneReader = {
      ref,
      key,
      tenant: tenantOf(ref.queue),
      after: undefined,
      more: true,
      busy: false,
      again: false,
      site: undefined,
      openedAt: now,
    };
    this.#readers.set(key, reader);
    return reader;
  }

  close(reader: LaneReader): void {
    if (this.#readers.get(reader.key) === reader) this.#readers.delete(reader.key);
  }

  /** The lane has something due at `at`. Without room for the note the agenda tells it, a little later. */
  note(ref: LaneRef, at: Instant): void {
    const key = laneKey(ref);
    if (!this.#noted.has(key)) {
      if (this.#noted.size >= this.most) return;
      this.#noted.set(key, ref);
    }
    this.#notes.lower(key, at);
  }

  nextNote(): Instant | undefined {
    return this.#notes.next();
  }

  /** A lane whose time has come. */
  dueNote(now: Instant): LaneRef | undefined {
    const key = this.#notes.pop(now);
    if (key === undefined) return undefined;
    const ref = this.#noted.get(key);
    this.#noted.delete(key);
    return ref;
  }
}

const OPENED = [
  ['transactional', 'fresh'],
  ['transactional', 'deferred'],
  ['normal', 'fresh'],
  ['normal', 'deferred'],
  ['bulk', 'fresh'],
  ['bulk', 'deferred'],
] as const satisfies readonly (readonly [PriorityClass, 'fresh' | 'deferred'])[];

/** All lanes of a queue in which something may be due: an agenda row does not say which. */
export function lanesOf(partition: Partition, queue: QueueName): readonly LaneRef[] {
  return OPENED.map(([priority, lane]) => ({ partition, queue, class: priority, lane }));
}
