/**
 * What must still be told to a sender: one recipient's fate, waiting to become part of a DSN.
 *
 * Stored in the commit that decided the fate; the DSN is composed from all notices of a message,
 * and the commit that stores the DSN deletes them (RFC 3464 §2.3 names the fields).
 */

import { type Instant } from '../lib/time.ts';
import { type Recipient } from './envelope.ts';
import { type QueueId } from './queue-id.ts';
import { type EnhancedStatus } from './reply.ts';

export type NoticeAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';

export interface Notice {
  readonly message: QueueId;
  /** Index of the recipient in its message. */
  readonly recipientIndex: number;
  readonly recipient: Recipient;
  readonly action: NoticeAction;
  readonly status: EnhancedStatus;
  /** The reply on one line, or our own words beginning with `postrider:`. */
  readonly diagnostic: string;
  readonly remoteMta: string;
  readonly at: Instant;
  /** Only with `delayed`: when we will give up. */
  readonly willRetryUntil: Instant | undefined;
}
