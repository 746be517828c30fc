/** What became of one recipient in one attempt. A transport returns this; it throws only on a bug. */

import { type EnhancedStatus } from './reply.ts';

export type Outcome =
  | {
      readonly kind: 'delivered';
      /** Host that took it, or `''` for local delivery. */
      readonly remoteMta: string;
      readonly status: EnhancedStatus;
      readonly diagnostic: string;
      /** The next hop does not offer DSN, so a SUCCESS request ends here as `relayed` (RFC 3461 §5.2.2). */
      readonly dsnPassedOn: boolean;
      /** The next hop was told of the time that DELIVERBY names (RFC 2852). */
      readonly deliverByPassedOn?: boolean;
      /** Handed to a mailbox (`delivered`), not to another MTA (`relayed`). */
      readonly final: boolean;
    }
  | Undelivered;

export interface Undelivered {
  readonly kind: 'deferred' | 'failed';
  readonly status: EnhancedStatus;
  readonly scope: Scope;
  /** The remote's reply on one line, or our own words beginning with `postrider:`. */
  readonly diagnostic: string;
  /** Host that said so; `''` when nobody answered. */
  readonly remoteMta: string;
  /** What kind of thing went wrong, as far as the transport knows; replies are classified by the queue. */
  readonly cause: Cause;
}

export type Cause = 'reply' | 'dns' | 'connection' | 'tls' | 'protocol' | 'local' | 'policy';

/**
 * How far an outcome reaches. A refused connection says nothing about the
 * recipient; a full mailbox says nothing about the path. `path` and `site` move
 * windows; `connection` (a 421 or a close after at least one completed
 * transaction) costs no attempt.
 */
export type Scope = 'recipient' | 'message' | 'connection' | 'host' | 'path' | 'site';
