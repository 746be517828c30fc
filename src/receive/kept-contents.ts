/**
 * Content that is in a file and still in memory, from its arrival to its first delivery, which so needs not read it.
 *
 * Nobody relies on it: what is not here is read from the file. So all of it makes room when the octet budget becomes
 * tight, and what comes to no delivery in time is forgotten. The newest first: what came before it is delivered before
 * it. Only what is lent stays until given back.
 */

import { octetsOf, type PieceUses } from '../lib/octet-pieces.ts';
import { SegmentPool } from '../lib/segment-pool.ts';
import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Clock } from '../ports/clock.ts';
import { type OctetBudget } from './octet-budget.ts';

interface Kept {
  readonly pieces: Buffer[];
  octets: number;
  /** Of the budget. */
  taken: number;
  readers: number;
  readonly uses: PieceUses;
  readonly since: Instant;
}

export interface Lent {
  readonly pieces: readonly Buffer[];
  readonly uses: PieceUses;
}

export const KEPT_TIME: Duration = 30 * SECOND;
/** Of the budget, for one message. */
const LARGEST_SHARE = 1 / 16;
/** Of the budget, and besides it: memory that waits for its next use. */
const SPARE_SHARE = 1 / 4;

export class KeptContents {
  /** What content is gathered in. */
  readonly segments: SegmentPool;
  readonly #budget: OctetBudget;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #kept = new Map<QueueId, Kept>();

  constructor(budget: OctetBudget, clock: Clock) {
    this.segments = new SegmentPool(budget.limit * SPARE_SHARE);
    this.#budget = budget;
    this.#clock = clock;
    budget.onTight = (excess) => this.#relieve(excess);
  }

  /** A message's content is about to come. */
  begin(id: QueueId): void {
    const now = this.#clock.monotonic();
    for (const [old, { since }] of this.#kept) {
      if (now - since < KEPT_TIME) break;
      this.forget(old);
    }
    this.#kept.set(id, { pieces: [], octets: 0, taken: 0, readers: 0, uses: { begun: 0, ended: 0 }, since: now });
  }

  /**
   * The next pieces of it, which nobody but their later readers may use any more. `taken`: so many octets of the budget, taken by the
   * caller, are given back from here, now or later.
   */
  add(id: QueueId, pieces: readonly Buffer[], taken: number): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) {
      this.segments.give(pieces);
      return this.#budget.give(taken);
    }
    kept.pieces.push(...pieces);
    kept.octets += octetsOf(pieces);
    kept.taken += taken;
    if (kept.octets > this.#budget.limit * LARGEST_SHARE || this.#budget.tight) this.forget(id);
    return undefined;
  }

  /** The whole content of so many octets, if it is here; to be given back after use. */
  lend(id: QueueId, octets: number): Lent | undefined {
    const kept = this.#kept.get(id);
    if (kept?.octets !== octets) return undefined;
    kept.readers += 1;
    return { pieces: kept.pieces, uses: kept.uses };
  }

  /** After the first delivery the next one is far away: memory is for those that come. */
  giveBack(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) throw new Error(`${id} was given back and is not lent`);
    kept.readers -= 1;
    this.forget(id);
  }

  /** Unless it is lent; then when it is given back. */
  forget(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.readers > 0) return;
    this.#kept.delete(id);
    this.#budget.give(kept.taken);
    const { begun, ended } = kept.uses;
    if (begun === ended) this.segments.give(kept.pieces);
  }

  #relieve(excess: number): void {
    let left = excess;
    for (const [id, { taken, readers }] of [...this.#kept].reverse()) {
      if (left <= 0) return;
      if (readers > 0) continue;
      this.forget(id);
      left -= taken;
    }
  }
}
