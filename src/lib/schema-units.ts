/**
 * Durations, octet counts and rates as people write them: `15m`, `1h30m`, `50MiB`, `100/1h`. Reading what was printed
 * gives the same value.
 */

import { type Rate } from './gcra.ts';
import { type Parsed, parsed, unparsed } from './parsed.ts';
import { type Duration, DAY, HOUR, MINUTE, SECOND } from './time.ts';

const DURATION_UNITS: readonly (readonly [string, Duration])[] = [
  ['d', DAY],
  ['h', HOUR],
  ['m', MINUTE],
  ['s', SECOND],
  ['ms', 1],
];
const OCTET_UNITS: readonly (readonly [string, number])[] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['TB', 1e12],
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
  ['B', 1],
];

const DURATION = /^(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+$/;
const OCTETS = /^(\d+(?:\.\d+)?) ?(TiB|GiB|MiB|KiB|TB|GB|MB|kB|KB|B)?$/;
// The longest that is taken: what is longer is a mistake of the unit, and dates beyond it are not exact.
const LONGEST: Duration = 36_500 * DAY;

/** `15m`, `1h30m`, `500ms`, `5d`; `0s` for none. */
export function parseDuration(text: string): Parsed<Duration> {
  if (text.length > 40 || !DURATION.test(text)) return unparsed('not a duration like 15m or 1h30m');
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(d|h|ms|m|s)/g)) {
    total += Number(number) * (DURATION_UNITS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return total > LONGEST ? unparsed('a duration of more than 100 years') : parsed(Math.round(total));
}

/** The shortest writing that reads back as the same duration. */
export function formatDuration(duration: Duration): string {
  let rest = Math.max(0, Math.round(duration));
  if (rest === 0) return '0s';
  let text = '';
  for (const [unit, size] of DURATION_UNITS) {
    if (rest < size) continue;
    text += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return text;
}

/** `50MiB`, `1.5 GB`, `4096`. */
export function parseOctets(text: string): Parsed<number> {
  const match = text.length > 40 ? null : OCTETS.exec(text);
  if (match === null) return unparsed('not a number of octets like 50MiB');
  const unit = match[2] === 'KB' ? 'kB' : (match[2] ?? 'B');
  const octets = Math.round(Number(match[1]) * (OCTET_UNITS.find(([name]) => name === unit)?.[1] ?? 1));
  return Number.isSafeInteger(octets) ? parsed(octets) : unparsed('more octets than can be counted');
}

/** In the largest unit that gives a whole number. */
export function formatOctets(octets: number): string {
  if (octets === 0) return '0B';
  const [unit, size] = OCTET_UNITS.find(([, size]) => octets % size === 0) ?? ['B', 1];
  return `${octets / size}${unit}`;
}

const RATE = /^(\d{1,15}) ?\/ ?([\d.a-z]+)(?: burst (\d{1,15}))?$/;

/** `100/1h`, `100/h`, `1000/10m burst 50`; without a burst they go evenly, one at a time. */
export function parseRate(text: string): Parsed<Rate> {
  const match = text.length > 60 ? null : RATE.exec(text);
  const [, amount = '', per = '', burst = '1'] = match ?? [];
  const period = parseDuration(/^\d/.test(per) ? per : `1${per}`);
  if (match === null || !period.ok || period.value === 0 || Number(amount) === 0 || Number(burst) === 0)
    return unparsed('not a rate like 100/1h');
  return parsed({ amount: Number(amount), period: period.value, burst: Number(burst) });
}
