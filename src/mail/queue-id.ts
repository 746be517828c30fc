/**
 * Our name for a message. Ids sort by the time they were made, so that messages that arrive
 * together lie together on disk.
 *
 * 20 characters of lower-case Crockford base 32: 10 of time (48 bits of milliseconds), 2 of the
 * maker (worker slot; 1022 for the pickup folder, 1023 for the queue manager), 4 of a counter, 4 of chance.
 */

import { type Instant } from '../lib/time.ts';

declare const queueIdBrand: unique symbol;

export type QueueId = string & { readonly [queueIdBrand]: true };

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const SHAPE = /^[0-9a-hjkmnp-tv-z]{20}$/;
const CHANCES = 32 ** 4;

export function parseQueueId(text: string): QueueId | undefined {
  return SHAPE.test(text) ? (text as QueueId) : undefined;
}

export interface QueueIdParts {
  readonly now: Instant;
  /** 0 to 1023. */
  readonly maker: number;
  readonly counter: number;
  /** At least 0 and less than 1. */
  readonly chance: number;
}

export function makeQueueId({ now, maker, counter, chance }: QueueIdParts): QueueId {
  const text =
    base32(now, 10) + base32(maker, 2) + base32(counter % CHANCES, 4) + base32(Math.floor(chance * CHANCES), 4);
  return text as QueueId;
}

/** When the id was made. */
export function timeOf(id: QueueId): Instant {
  let time = 0;
  for (const digit of id.slice(0, 10)) time = time * 32 + DIGITS.indexOf(digit);
  return time;
}

function base32(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
