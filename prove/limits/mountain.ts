/**
 * A mountain of mail as a server under load would have left it: many domains, of which one has a large share, a
 * thousand campaigns, three classes, fresh mail beside deferred mail that is overdue.
 *
 * Message `n` is the same in each run with the same shape, so that a copy that arrives tells which message it was.
 */

import { HOUR } from '../../src/lib/time.ts';
import { type Entry } from '../../src/mail/entry.ts';
import { type PriorityClass } from '../../src/mail/priority-class.ts';
import { type BacklogMail } from '../../test/lib/backlog.ts';

export interface Mountain {
  readonly messages: number;
  readonly domains: number;
  /** Of all messages, in hundredths, to domain 0. */
  readonly largest: number;
  /** In hundredths: deferred before, and due again since an hour. */
  readonly overdue: number;
  readonly campaigns: number;
}

const CLASSES: readonly PriorityClass[] = ['transactional', 'normal', 'bulk'];
/** Odd, so that it visits each residue of a power of two once; the high half of a product is well mixed. */
const MIX = 0x9e3779b1;

export function domainOf({ domains, largest }: Mountain, n: number): number {
  return part(n, 1, 100) < largest ? 0 : n % domains;
}

export function mailOf(mountain: Mountain, n: number, now: number): BacklogMail {
  const { overdue, campaigns } = mountain;
  const [age, kind] = [part(n, 2, 100), part(n, 3, CLASSES.length)];
  const acceptedAt = now - HOUR - (n % 3600) * 1000;
  return {
    to: `${n}@d${domainOf(mountain, n)}.mountain.test`,
    campaign: `c${part(n, 4, campaigns)}`,
    class: CLASSES[kind] ?? 'normal',
    entry: { acceptedAt, dueAt: acceptedAt, ...(age < overdue && { ...DEFERRED, lastAttemptAt: acceptedAt }) },
  };
}

const DEFERRED: Partial<Entry> = {
  ...{ lane: 'deferred', attempts: 1, reason: 'transient' },
  lastReply: 'mx.mountain.test (127.0.0.1) said: 451 4.3.0 Try again later',
};

/** A number below `most` that looks as if it had nothing to do with `n`, for each `salt` another. */
function part(n: number, salt: number, most: number): number {
  let mixed = Math.imul(n + 1, MIX) ^ Math.imul(salt, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed ^= mixed >>> 13;
  return (mixed >>> 0) % most;
}
