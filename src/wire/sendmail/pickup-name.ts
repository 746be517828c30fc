/**
 * Names of files in the pickup folder, and the queue ids that come of them.
 *
 * A name cannot be guessed, for the folder can be written to and not be listed by others: whoever does not know the
 * name of a file cannot open it. The id follows from the name, so that a file is taken once, however often it is met.
 */

import { createHash } from 'node:crypto';
import { type Instant } from '../../lib/time.ts';
import { makeQueueId, type QueueId, timeOf } from '../../mail/queue-id.ts';

/** Workers count from 0 and the queue manager is 1023: nobody else makes an id with this number. */
export const PICKUP_MAKER = 1022;
/** Files that are being written; what is left of a program that was killed is removed after a day. */
export const UNFINISHED = '.new-';

const NAME = /^[0-9a-hjkmnp-tv-z]{10}-[0-9a-f]{32}$/;
const CHANCES = 32 ** 4;

/** `secret`: 16 octets of chance. */
export function pickupName(now: Instant, secret: Buffer): string {
  const time = makeQueueId({ now, maker: 0, counter: 0, chance: 0 }).slice(0, 10);
  return `${time}-${secret.toString('hex')}`;
}

/** Undefined: no such name is made here. */
export function pickupId(name: string): QueueId | undefined {
  if (!NAME.test(name)) return undefined;
  const digest = createHash('sha256').update(name).digest();
  return makeQueueId({
    now: timeOf(`${name.slice(0, 10)}0000000000` as QueueId), // Of the right letters, as the pattern says.
    maker: PICKUP_MAKER,
    counter: digest.readUInt32BE(0) % CHANCES,
    chance: (digest.readUInt32BE(4) % CHANCES) / CHANCES,
  });
}
