/**
 * Many deadlines and one tick: setting, moving and cancelling a deadline costs the same however many there are.
 *
 * Moving a deadline later, which is what a session does with each command, only changes a number: the entry is
 * looked at when its old slot comes round, and put where it belongs then. A deadline is never called early, and at
 * most one tick late. The wheel has no clock: `advance` says what time it is.
 */

import { type Duration, type Instant } from './time.ts';

export interface WheelTimer {
  /** May be earlier or later than before. Nothing happens after it was called or cancelled. */
  move(at: Instant): void;
  cancel(): void;
}

const SLOTS = 512;

export class TimerWheel {
  readonly #tick: Duration;
  readonly #slots: Set<Entry>[] = Array.from({ length: SLOTS }, () => new Set<Entry>());
  /** The last tick that was looked at. */
  #position: number;
  #size = 0;

  constructor(tick: Duration, now: Instant) {
    this.#tick = tick;
    this.#position = Math.floor(now / tick);
  }

  get size(): number {
    return this.#size;
  }

  at(at: Instant, wake: () => void): WheelTimer {
    const entry = new Entry(at, wake, {
      moved: (moved) => this.#moved(moved),
      cancelled: (cancelled) => this.#remove(cancelled),
    });
    this.#size += 1;
    this.#insert(entry);
    return entry;
  }

  /** Calls all that are due, those due first in no particular order among the others. */
  advance(now: Instant): void {
    const target = Math.floor(now / this.#tick);
    const due: Entry[] = [];
    const last = Math.min(target, this.#position + SLOTS);
    const first = this.#position + 1;
    // Those that go back into the wheel must land behind what has been looked at.
    this.#position = Math.max(target, this.#position);
    for (let tick = first; tick <= last; tick += 1) this.#empty(tick, now, due);
    // The wheel is whole again before anybody who is called may change it.
    for (const entry of due) entry.fire();
  }

  #empty(tick: number, now: Instant, due: Entry[]): void {
    const slot = this.#slots[tick % SLOTS];
    if (slot === undefined || slot.size === 0) return;
    const entries = [...slot];
    slot.clear();
    for (const entry of entries) {
      if (entry.at <= now) {
        this.#size -= 1;
        entry.slot = undefined;
        due.push(entry);
      } else this.#insert(entry);
    }
  }

  #insert(entry: Entry): void {
    const wanted = Math.max(Math.ceil(entry.at / this.#tick), this.#position + 1);
    // What is further away than the wheel reaches is looked at on the way.
    const tick = Math.min(wanted, this.#position + SLOTS - 1);
    const slot = this.#slots[tick % SLOTS];
    slot?.add(entry);
    entry.slot = slot;
    entry.seenAt = tick * this.#tick;
  }

  #moved(entry: Entry): void {
    if (entry.at >= entry.seenAt) return;
    entry.slot?.delete(entry);
    this.#insert(entry);
  }

  #remove(entry: Entry): void {
    entry.slot?.delete(entry);
    entry.slot = undefined;
    this.#size -= 1;
  }
}

interface Owner {
  moved(entry: Entry): void;
  cancelled(entry: Entry): void;
}

class Entry implements WheelTimer {
  at: Instant;
  /** When its slot comes round. */
  seenAt: Instant = 0;
  /** Absent once it is over. */
  slot: Set<Entry> | undefined;
  #over = false;
  readonly #wake: () => void;
  readonly #owner: Owner;

  constructor(at: Instant, wake: () => void, owner: Owner) {
    this.at = at;
    this.#wake = wake;
    this.#owner = owner;
  }

  move(at: Instant): void {
    this.at = at;
    if (this.slot !== undefined) this.#owner.moved(this);
  }

  cancel(): void {
    if (this.slot !== undefined) this.#owner.cancelled(this);
    this.#over = true;
  }

  fire(): void {
    // Cancelled by one that was called before it in the same tick.
    if (this.#over) return;
    this.#over = true;
    this.#wake();
  }
}
