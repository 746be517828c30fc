/**
 * Messages kept in memory from their commit to their first attempt, so that the fast path reads nothing.
 * Bounded in octets: what does not fit is read from the spool.
 */

import { type QueueId } from '../../mail/queue-id.ts';
import { type NewMessage, type StoredMessage } from '../../spool/spool.ts';

export interface RecentMessage {
  readonly message: Omit<StoredMessage, 'content'>;
  readonly octets: Uint8Array;
}

export class RecentMessages {
  readonly #limit: number;
  readonly #kept = new Map<QueueId, RecentMessage>();
  #octets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  keep(message: NewMessage): void {
    if (message.content.kind !== 'octets') return;
    const { octets } = message.content;
    if (this.#octets + octets.length > this.#limit) return;
    const { id, envelope, acceptedAt, report, eightBit } = message;
    this.#kept.set(id, { message: { id, envelope, class: message.class, acceptedAt, report, eightBit }, octets });
    this.#octets += octets.length;
  }

  get(id: QueueId): RecentMessage | undefined {
    return this.#kept.get(id);
  }

  /** After the first attempt the next one is far away: memory is for those that come. */
  drop(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    this.#octets -= kept.octets.length;
  }

  get octets(): number {
    return this.#octets;
  }
}
