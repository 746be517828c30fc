/** Times, sizes and numbers as people read them. */

import { DAY, HOUR, MINUTE, SECOND } from '../lib/time.ts';

const SPANS: readonly (readonly [number, string])[] = [
  [DAY, 'd'],
  [HOUR, 'h'],
  [MINUTE, 'm'],
  [SECOND, 's'],
];

/** `2h5m`: the two largest units. */
export function span(milliseconds: number): string {
  const at = SPANS.findIndex(([size]) => milliseconds >= size);
  const unit = SPANS[at];
  if (unit === undefined) return '0s';
  const next = SPANS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((milliseconds % unit[0]) / next[0]);
  return `${Math.floor(milliseconds / unit[0])}${unit[1]}${rest > 0 && next !== undefined ? `${rest}${next[1]}` : ''}`;
}

/** When, seen from `now`. */
export function when(at: number, now: number): string {
  if (Math.abs(at - now) < SECOND) return 'now';
  return at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

export function size(octets: number): string {
  const units: readonly (readonly [number, string])[] = [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ];
  const [factor, unit] = units.find(([least]) => octets >= least) ?? [1, 'B'];
  return factor === 1 ? `${octets} B` : `${(octets / factor).toFixed(1)} ${unit}`;
}

/** `1 entry`, `2 entries`. */
export function many(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** An instant as people compare it with a clock; UTC, since servers live there. */
export function clock(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}

export function pathText(sender: string): string {
  return sender === '' ? '<>' : sender;
}
