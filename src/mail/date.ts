/** Dates as mail writes and reads them (RFC 5322 §3.3): `Mon, 23 Nov 2026 21:26:24 +0000`. */

import { type Instant, MINUTE, SECOND } from '../lib/time.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// RFC 5322 §3.3: a year has four digits and is not before 1900.
const EARLIEST: Instant = Date.UTC(1900, 0, 1);
const LATEST: Instant = Date.UTC(9999, 11, 31, 23, 59, 59);
// RFC 5322 §3.3 allows up to 9959; no zone on earth is further away than 14 hours.
const MAX_ZONE = 14 * 60;

let lastSecond = NaN;
let lastText = '';

/**
 * `zone`: minutes east of Greenwich. A time that mail cannot write becomes the nearest that it can.
 * The latest text is remembered: a busy server writes the same second thousands of times.
 */
export function formatDate(at: Instant, zone = 0): string {
  if (zone !== 0) return formatted(at, zone);
  const second = Math.floor(at / SECOND);
  if (second !== lastSecond) {
    lastText = formatted(at, 0);
    lastSecond = second;
  }
  return lastText;
}

function formatted(at: Instant, zone: number): string {
  const offset = Math.max(-MAX_ZONE, Math.min(MAX_ZONE, Math.trunc(zone) || 0));
  const shown = new Date(nearest(at + offset * MINUTE));
  const day = `${DAYS[shown.getUTCDay()]}, ${shown.getUTCDate()} ${MONTHS[shown.getUTCMonth()]} ${shown.getUTCFullYear()}`;
  const time = [shown.getUTCHours(), shown.getUTCMinutes(), shown.getUTCSeconds()].map(twoDigits).join(':');
  return `${day} ${time} ${formatZone(offset)}`;
}

function nearest(at: Instant): Instant {
  if (Number.isNaN(at)) return 0;
  return Math.max(EARLIEST, Math.min(LATEST, at));
}

function formatZone(minutes: number): string {
  const distance = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(distance / 60))}${twoDigits(distance % 60)}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

const DATE =
  /^(?:(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)\s*,\s*)?(\d{1,2})\s+([A-Z][a-z]{2})\s+(\d{4})\s+(\d\d):(\d\d)(?::(\d\d))?\s+(?:([+-])(\d\d)(\d\d)|GMT|UTC|UT)$/;

/**
 * A date-time without comments, with its zone in digits (or `GMT`). The day of the week may be wrong: it says nothing. A
 * leap second counts as the second after it.
 */
export function parseDate(text: string): Instant | undefined {
  const [, day, month, year, hour, minute, second, sign, zoneHours, zoneMinutes] = DATE.exec(text) ?? [];
  const fields = [year, String(MONTHS.indexOf(month ?? '') + 1), day, hour, minute, second];
  return Number(year) < 1900 ? undefined : instantOf(fields, { sign, hours: zoneHours, minutes: zoneMinutes });
}

/** As digits. */
export interface ZoneDigits {
  readonly sign: string | undefined;
  readonly hours: string | undefined;
  readonly minutes: string | undefined;
}

const MOST = [9999, 12, 31, 23, 59, 60, 23, 59];
type Numbers = readonly [number, number, number, number, number, number, number, number];

/** Year, month from 1, day, hour, minute and second as digits; an absent second is 0. Undefined: there is no such time. */
export function instantOf(digits: readonly (string | undefined)[], zone: ZoneDigits): Instant | undefined {
  const numbers = [...digits, zone.hours, zone.minutes].map((each) => Number(each ?? 0));
  if (numbers.length !== MOST.length || numbers.some((number, i) => !(number <= (MOST[i] ?? 0)))) return undefined;
  // Six and two of them were counted.
  const [year, month, day, hour, minute, second, zoneHours, zoneMinutes] = numbers as unknown as Numbers;
  // Date.UTC takes the 31st of February for a day of March.
  const midnight = new Date(Date.UTC(year, month - 1, day));
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const east = (zone.sign === '-' ? -1 : 1) * (zoneHours * 60 + zoneMinutes);
  return midnight.getTime() + (hour * 60 + minute - east) * MINUTE + second * SECOND;
}
