/**
 * An entry: recipients (at most 100) of one message that share a routing domain and a retry state.
 * It is what waits, what is tried, and what the due index orders.
 */

import { type Instant } from '../lib/time.ts';
import { type Recipient } from './envelope.ts';
import { type PriorityClass } from './priority-class.ts';
import { type QueueId } from './queue-id.ts';
import { type HoldReason } from './hold-reason.ts';
import { type QueueName } from './queue-name.ts';
import { type DeliverBy } from './sending-times.ts';

export const MAX_ENTRY_RECIPIENTS = 100;

/** `<queue id>/<n>`; `n` is counted per message and never used twice. */
export type EntryId = `${string}/${number}`;

export type Lane = 'fresh' | 'deferred' | 'held';

export interface EntryRecipient extends Recipient {
  /** Counted per message; with the queue id it names the recipient for ever. */
  readonly index: number;
}

export interface Entry {
  readonly id: EntryId;
  readonly message: QueueId;
  readonly queue: QueueName;
  /** Destination domain for MX routes, next hop for the others. */
  readonly routingDomain: string;
  /** Name of the route that was chosen; looked up again in the present configuration at dispatch. */
  readonly route: string;
  readonly class: PriorityClass;
  readonly lane: Lane;
  readonly dueAt: Instant;
  readonly acceptedAt: Instant;
  readonly expiresAt: Instant;
  /** Completed attempts that counted. */
  readonly attempts: number;
  readonly recipients: readonly EntryRecipient[];
  readonly reason: HoldReason;
  /** The last word on why it still waits: a reply or our own, on one line; `''` before the first attempt. */
  readonly lastReply: string;
  readonly lastAttemptAt: Instant | undefined;
  /** A delay warning has been sent for these recipients. */
  readonly warned: boolean;
  /** Deaths of a worker, or unclean stops, while this entry was in flight. */
  readonly crashes: number;
  /** Octets of the content: what a dispatch will need of memory. */
  readonly octets: number;
  /** The reverse-path as text, `''` when it is null: what rules by sender look at. Absent when it is not known. */
  readonly sender?: string;
  /** Milliseconds from the client's MAIL to our commit. */
  readonly beforeQueue?: number;
  /** When its sender wants it to go, if that is later than it came: ages are counted from then. */
  readonly releaseAt?: Instant;
  /** `exact`: no attempt begins at `expiresAt` or later. Absent: one does, so that nothing is returned untried. */
  readonly expiry?: 'exact';
  /** DELIVERBY (RFC 2852). */
  readonly deliverBy?: DeliverBy;
  /** As in the envelope: what events tell. */
  readonly tags?: readonly string[];
  readonly trackingId?: string;
}

export function messageOf(id: EntryId): QueueId {
  return id.slice(0, id.indexOf('/')) as QueueId;
}
