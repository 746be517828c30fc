/**
 * When a sender wants a message to go, and until when: FUTURERELEASE (RFC 4865) and DELIVERBY (RFC 2852), as values and
 * as parameters of MAIL.
 */

import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { instantOf } from './date.ts';

/** HOLDFOR and HOLDUNTIL (RFC 4865 §5): not to be tried before. */
export type Hold =
  { readonly kind: 'for'; readonly duration: Duration } | { readonly kind: 'until'; readonly at: Instant };

/** `return`: after that time it comes back undelivered. `notify`: its sender is told that it is late. */
export type ByMode = 'return' | 'notify';

/** BY of MAIL (RFC 2852 §4): counted from the command. Zero and less only to notify: the time is over already. */
export interface DeliverWithin {
  readonly within: Duration;
  readonly mode: ByMode;
  /** The sender wants to hear of each hop. */
  readonly trace: boolean;
}

/** The same as a point in time, as it is kept. */
export interface DeliverBy {
  readonly at: Instant;
  readonly mode: ByMode;
  readonly trace: boolean;
}

export function parseHoldFor(value: string | undefined): Parsed<Hold> {
  // RFC 4865 §4: future-release-integer.
  if (value === undefined || !/^[1-9]\d{0,8}$/.test(value))
    return unparsed('1 to 9 digits, the first not 0, in seconds');
  return parsed({ kind: 'for', duration: Number(value) * SECOND });
}

export function parseHoldUntil(value: string | undefined): Parsed<Hold> {
  const at = parseDateTime(value ?? '');
  return at === undefined
    ? unparsed('a date-time of RFC 3339 such as 2026-12-24T18:00:00Z')
    : parsed({ kind: 'until', at });
}

// RFC 3339 §5.6; the offset is given, so that nobody has to guess whose clock was meant.
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:([Zz])|([+-])(\d\d):(\d\d))$/;

/** A date-time of RFC 3339 §5.6. A leap second counts as the second after it. */
export function parseDateTime(text: string): Instant | undefined {
  const [all, ...parts] = DATE_TIME.exec(text) ?? [];
  if (all === undefined) return undefined;
  const [fraction, , sign, hours, minutes] = parts.slice(6);
  const at = instantOf(parts.slice(0, 6), { sign, hours, minutes });
  return at === undefined ? undefined : at + Math.floor(Number(fraction ?? 0) * SECOND);
}

/** `2026-12-24T18:00:00Z`, as EHLO tells it. */
export function formatDateTime(at: Instant): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** RFC 2852 §4: `by-time ";" by-mode [by-trace]`. */
export function parseDeliverBy(value: string | undefined): Parsed<DeliverWithin> {
  const [, time, mode, trace] = /^([+-]?\d{1,9});([nr])(t?)$/i.exec(value ?? '') ?? [];
  if (time === undefined || mode === undefined) return unparsed('seconds, then ;R or ;N, then perhaps T');
  const within = Number(time) * SECOND;
  if (mode.toUpperCase() === 'N') return parsed({ within, mode: 'notify', trace: trace !== '' });
  if (within <= 0) return unparsed('with R the time has to be ahead');
  return parsed({ within, mode: 'return', trace: trace !== '' });
}

const MOST_SECONDS = 999_999_999;

/** As it is passed on, with what is left of the time; a time that is over is 0 or less. */
export function formatDeliverBy({ at, mode, trace }: DeliverBy, now: Instant): string {
  const seconds = Math.max(-MOST_SECONDS, Math.min(MOST_SECONDS, Math.floor((at - now) / SECOND)));
  return `${seconds};${mode === 'return' ? 'R' : 'N'}${trace ? 'T' : ''}`;
}
