/**
 * Rules set by an operator while the product runs: suspensions, holds, reroutes.
 *
 * A rule applies to mail that waits and to mail still to come. It is evaluated when a window opens and
 * at dispatch; entries are never rewritten for it, except that a held entry moves to lane `held`.
 */

import { type Instant } from '../lib/time.ts';

export interface Rule {
  /** Short, shown to people and used to cancel it. */
  readonly id: string;
  /** Grows with every change of any rule; a command answers with the number of entries still in flight under an older one. */
  readonly epoch: number;
  readonly kind: 'suspend' | 'hold' | 'reroute';
  readonly target: RuleTarget;
  /** Only with `reroute`: name of a configured route. */
  readonly route: string | undefined;
  readonly reason: string;
  readonly setBy: string;
  readonly setAt: Instant;
  /** Ends by itself then; absent: until somebody ends it. */
  readonly until: Instant | undefined;
}

/** All the parts given must match; with none, everything does. */
export interface RuleTarget {
  readonly campaign?: string;
  readonly tenant?: string;
  /** The domain of a recipient, or the next hop that a queue is named after. */
  readonly domain?: string;
  readonly message?: string;
  readonly site?: string;
  readonly source?: string;
  /** `*` patterns allowed: `*@example.com`. */
  readonly sender?: string;
  readonly recipient?: string;
}
