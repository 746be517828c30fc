/**
 * What to do about a domain's MTA-STS policy, by what is kept of it and what its DNS record says now (RFC 8461 §3.3, §5.1).
 *
 * A policy that was kept counts until its time is up, whatever became of the record or of the web server: whoever could
 * suppress those could otherwise switch the policy off. A fetch that failed is not tried again for some minutes.
 */

import { DAY, type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type StsRecord } from './mta-sts.ts';

export interface KeptPolicy {
  /** Of the record that led to it. */
  readonly id: string;
  readonly fetchedAt: Instant;
  readonly policy: StsPolicy;
}

/** `fetch`: wait for it, for nothing that is kept is good enough. `refresh`: use what is kept, and fetch beside it. */
export type StsStep = 'none' | 'use' | 'refresh' | 'fetch';

export interface StsKnowledge {
  readonly kept: KeptPolicy | undefined;
  /** Undefined: it could not be looked up. */
  readonly record: StsRecord | undefined;
  /** When a fetch failed last. */
  readonly failedAt: Instant | undefined;
  readonly now: Instant;
}

/** RFC 8461 §3.3 suggests five minutes at the least. */
const RETRY_FETCH_AFTER = 5 * MINUTE;
/** §10.2 suggests to refresh once a day. */
const FRESH_FOR = DAY;

export function stsStep({ kept, record, failedAt, now }: StsKnowledge): StsStep {
  const good = kept !== undefined && isGood(kept, now);
  const asIs = good ? 'use' : 'none';
  if (record?.kind !== 'found') return asIs;
  if (failedAt !== undefined && Math.abs(now - failedAt) < RETRY_FETCH_AFTER) return asIs;
  if (!good || kept.id !== record.id) return 'fetch';
  return wantsRefresh(kept, now) ? 'refresh' : 'use';
}

/** A clock that was set back makes it look younger, and at most as good as new. */
export function isGood({ fetchedAt, policy }: KeptPolicy, now: Instant): boolean {
  return now < fetchedAt + policy.maxAge * SECOND;
}

/** A day old, or half of its time over. */
export function wantsRefresh({ fetchedAt, policy }: KeptPolicy, now: Instant): boolean {
  return now - fetchedAt >= Math.min(FRESH_FOR, (policy.maxAge * SECOND) / 2);
}
