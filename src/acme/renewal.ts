/**
 * When a certificate is ordered anew, and when an order that failed is tried again.
 *
 * By what the authority suggests (ARI, RFC 9773), else when a third of its life is left. After failures the wait doubles
 * from a quarter of an hour to a day, which stays far below what authorities allow.
 */

import { DAY, type Duration, HOUR, type Instant, MINUTE } from '../lib/time.ts';
import { type RenewalWindow } from '../wire/acme/documents.ts';

export interface Standing {
  /** Absent: there is none, or it is for other names. */
  readonly certificate: { readonly notBefore: Instant; readonly notAfter: Instant } | undefined;
  /** What the authority suggests. */
  readonly window: RenewalWindow | undefined;
  /** Between 0 and 1: where in the window. */
  readonly chance: number;
}

const FIRST_WAIT = 15 * MINUTE;
const LONGEST_WAIT = DAY;
/** A window that is nonsense must not keep a certificate until its last hour. */
const LAST_CALL = 12 * HOUR;

export function renewalAt({ certificate, window, chance }: Standing): Instant {
  if (certificate === undefined) return 0;
  const { notBefore, notAfter } = certificate;
  const life = notAfter - notBefore;
  const latest = notAfter - Math.min(LAST_CALL, life / 6);
  if (window === undefined) return notAfter - life / 3;
  return Math.min(latest, window.start + (window.end - window.start) * chance);
}

/** `asked`: what the authority said (Retry-After). */
export function waitAfter(failures: number, asked: Duration | undefined, chance: number): Duration {
  const doubled = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(failures - 1, 10));
  return Math.max(doubled * (1 + chance / 4), Math.min(asked ?? 0, 7 * DAY));
}
