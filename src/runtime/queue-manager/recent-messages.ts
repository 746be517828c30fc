/**
 * Messages kept in memory from their commit to their first attempt, so that the fast path reads nothing.
 * Bounded in octets: what does not fit is read from the spool. Bounded in time too: a message that was removed,
 * held or put off before its first attempt is forgotten when the fast path is closed to it.
 */

import { type Duration, type Instant, SECOND } from '../../lib/time.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type NewMessage, type StoredMessage } from '../../spool/spool.ts';

export interface RecentMessage {
  readonly message: Omit<StoredMessage, 'content'>;
  /** Absent: they are in a file. */
  readonly octets: Uint8Array | undefined;
  readonly keptAt: Instant;
}

/** An entry that is committed as due a minute ahead may be tried without a record this long. */
export const FAST_PATH_TIME: Duration = 30 * SECOND;
// What the envelope and its place in the map take beside the content, roughly.
const OVERHEAD_OCTETS = 1024;

export class RecentMessages {
  readonly #limit: number;
  readonly #kept = new Map<QueueId, RecentMessage>();
  #octets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  keep(message: NewMessage, now: Instant): void {
    this.#forgetOld(now);
    const octets = message.content.kind === 'octets' ? message.content.octets : undefined;
    const size = (octets?.length ?? 0) + OVERHEAD_OCTETS;
    if (this.#octets + size > this.#limit) return;
    const { id, envelope, acceptedAt, report, eightBit } = message;
    const facts = { id, envelope, class: message.class, acceptedAt, report, eightBit };
    this.#kept.set(id, { message: facts, octets, keptAt: now });
    this.#octets += size;
  }

  get(id: QueueId): RecentMessage | undefined {
    return this.#kept.get(id);
  }

  /** After the first attempt the next one is far away: memory is for those that come. */
  drop(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#octets -= (kept.octets?.length ?? 0) + OVERHEAD_OCTETS;
  }

  get octets(): number {
    return this.#octets;
  }

  /** The oldest stand first. A clock that was set back makes nothing old; the limit holds all the same. */
  #forgetOld(now: Instant): void {
    for (const [id, { keptAt }] of this.#kept) {
      if (now - keptAt < FAST_PATH_TIME) return;
      this.drop(id);
    }
  }
}
