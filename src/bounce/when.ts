/**
 * When the notices of a message become a DSN: as soon as nothing more can join them, or when the oldest has
 * waited long enough. Ten domains that refuse within a minute then give one DSN.
 */

import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { type Notice } from '../mail/notice.ts';

export const MAX_NOTICE_AGE: Duration = 60 * SECOND;

export type DsnDue = { readonly kind: 'now' } | { readonly kind: 'at'; readonly at: Instant };

/** `openEntries`: entries of the message that still wait; each may leave another notice. */
export function dueForDsn(
  notices: readonly [Pick<Notice, 'at'>, ...Pick<Notice, 'at'>[]],
  openEntries: number,
  now: Instant,
): DsnDue {
  if (openEntries === 0) return { kind: 'now' };
  const oldest = notices.reduce((least, { at }) => Math.min(least, at), Infinity);
  // A wall clock that was set back must not hold a DSN for hours.
  const at = Math.min(oldest, now) + MAX_NOTICE_AGE;
  return at <= now ? { kind: 'now' } : { kind: 'at', at };
}
