/**
 * Messages that are on the fast path: what their first attempt needs is in memory from their commit to that attempt,
 * so that nothing is read. The content of most stays with the worker that took it; of the others it is here.
 *
 * Bounded in octets: what does not fit is read from the spool. Bounded in time too: a message that was removed,
 * held or put off before its first attempt is forgotten when the fast path is closed to it.
 */

import { type Duration, type Instant, SECOND } from '../../lib/time.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type WorkerId } from '../../queue/scheduling.ts';
import { type NewMessage, type StoredMessage } from '../../spool/spool.ts';

export interface RecentMessage {
  readonly message: Omit<StoredMessage, 'content'>;
  /** Absent: the worker has them, or they are in a file. */
  readonly octets: Uint8Array | undefined;
  /** That has kept it. */
  readonly worker: WorkerId | undefined;
  readonly keptAt: Instant;
}

interface Kept extends RecentMessage {
  /** Entries that have not been dispatched yet. */
  left: number;
}

/** An entry that is committed as due a minute ahead may be tried without a record this long. */
export const FAST_PATH_TIME: Duration = 30 * SECOND;
// What the envelope and its place in the map take beside the content, roughly.
const OVERHEAD_OCTETS = 1024;

export class RecentMessages {
  readonly #limit: number;
  readonly #forgotten: (worker: WorkerId, id: QueueId) => void;
  readonly #kept = new Map<QueueId, Kept>();
  #octets = 0;

  /** `forgotten`: the worker need not keep the message any longer. */
  constructor(limit: number, forgotten: (worker: WorkerId, id: QueueId) => void = () => undefined) {
    this.#limit = limit;
    this.#forgotten = forgotten;
  }

  /** `worker` has the content in memory; undefined: nobody has, and it is kept here. Whether it is kept at all. */
  keep(message: NewMessage, worker: WorkerId | undefined, now: Instant): boolean {
    this.#forgetOld(now);
    const { content } = message;
    const octets = worker === undefined && content.kind === 'octets' ? content.octets : undefined;
    const size = (octets?.length ?? 0) + OVERHEAD_OCTETS;
    if (this.#octets + size > this.#limit) return false;
    const { id, envelope, acceptedAt, report, eightBit, entries } = message;
    const facts = { id, envelope, class: message.class, acceptedAt, report, eightBit };
    this.#kept.set(id, { message: facts, octets, worker, keptAt: now, left: entries.length });
    this.#octets += size;
    return true;
  }

  get(id: QueueId): RecentMessage | undefined {
    return this.#kept.get(id);
  }

  /** One of its entries is dispatched. `last`: no other will be, and the message is forgotten here. */
  dispatched(id: QueueId): 'last' | 'more' {
    const kept = this.#kept.get(id);
    if (kept === undefined) return 'last';
    kept.left -= 1;
    if (kept.left > 0) return 'more';
    this.#remove(id, kept);
    return 'last';
  }

  /** The fast path is closed to it. */
  forget(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#remove(id, kept);
    if (kept.worker !== undefined) this.#forgotten(kept.worker, id);
  }

  /** The worker is gone, and what it had kept with it. */
  workerLeft(worker: WorkerId): void {
    for (const [id, kept] of this.#kept) if (kept.worker === worker) this.#remove(id, kept);
  }

  get octets(): number {
    return this.#octets;
  }

  /** The oldest stand first. A clock that was set back makes nothing old; the limit holds all the same. */
  #forgetOld(now: Instant): void {
    for (const [id, kept] of this.#kept) {
      if (now - kept.keptAt < FAST_PATH_TIME) return;
      this.forget(id);
    }
  }

  #remove(id: QueueId, { octets }: Kept): void {
    this.#kept.delete(id);
    this.#octets -= (octets?.length ?? 0) + OVERHEAD_OCTETS;
  }
}
