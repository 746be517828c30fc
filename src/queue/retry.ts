/**
 * When to try again, and when to stop (RFC 5321 §4.5.4.1).
 *
 * Each class of refusal has a schedule of its own, and a priority class may have another. A wait that the
 * receiver names is obeyed. An entry expires only after an attempt that began after its time was up: six days
 * without power must not return everything untried.
 */

import { DAY, HOUR, MINUTE, SECOND, type Duration, type Instant } from '../lib/time.ts';
import { type Entry } from '../mail/entry.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { type PriorityClass } from '../mail/priority-class.ts';

export interface Schedule {
  /** Wait before the second attempt. */
  readonly first: Duration;
  /** Each wait is this many times the one before it. */
  readonly factor: number;
  /** The longest wait. */
  readonly max: Duration;
}

export type Schedules = Readonly<Partial<Record<HoldReason, Schedule>>>;

export interface ClassRetry {
  /** Age at which an entry expires. */
  readonly giveUpAfter: Duration;
  /** Age at which the sender is told that a message is late; absent: never. */
  readonly warnAfter: Duration | undefined;
  /** What differs for this class. */
  readonly schedules: Schedules;
}

export interface RetryOptions {
  /** For every reason that has no schedule of its own. */
  readonly general: Schedule;
  readonly schedules: Schedules;
  readonly classes: Readonly<Record<PriorityClass, ClassRetry>>;
  /** A wait named by the receiver is obeyed up to this. */
  readonly maxNamedWait: Duration;
}

/** 0, 15 and 45 minutes: RFC 5321 §4.5.4.1 asks for two tries in the first hour, then one every two or three. */
const GENERAL: Schedule = { first: 15 * MINUTE, factor: 2, max: 4 * HOUR };

export const DEFAULT_RETRY: RetryOptions = {
  general: GENERAL,
  schedules: {
    // Most greylists open after 5 minutes, and forget after a few hours: a long wait would begin them anew.
    greylisted: { first: 6 * MINUTE, factor: 2, max: HOUR },
    rateLimited: { first: 10 * MINUTE, factor: 1.5, max: 2 * HOUR },
    mailboxFull: { first: HOUR, factor: 2, max: 8 * HOUR },
    reputation: { first: 30 * MINUTE, factor: 2, max: 4 * HOUR },
    connection: { first: 5 * MINUTE, factor: 2, max: 2 * HOUR },
    dns: { first: 5 * MINUTE, factor: 2, max: 2 * HOUR },
    local: { first: 2 * MINUTE, factor: 2, max: HOUR },
  },
  classes: {
    transactional: {
      giveUpAfter: 5 * DAY,
      warnAfter: 4 * HOUR,
      schedules: { connection: { first: 2 * MINUTE, factor: 2, max: HOUR } },
    },
    normal: { giveUpAfter: 5 * DAY, warnAfter: 4 * HOUR, schedules: {} },
    bulk: {
      giveUpAfter: 5 * DAY,
      warnAfter: undefined,
      schedules: { rateLimited: { first: 30 * MINUTE, factor: 2, max: 4 * HOUR } },
    },
  },
  maxNamedWait: DAY,
};

/** A wait shorter than this, times the attempts made, is not taken at its word: "again in 1 second" for ever is a storm. */
const SHORTEST_NAMED_WAIT = 30 * SECOND;

export interface RetryInput {
  readonly class: PriorityClass;
  readonly reason: HoldReason;
  /** Attempts made so far; at least one. */
  readonly attempts: number;
  readonly expiresAt: Instant;
  /** When the attempt began that ended in this. */
  readonly startedAt: Instant;
  readonly now: Instant;
  /** What the receiver asked for. */
  readonly wait: Duration | undefined;
  /** When the sender is to hear that the message is late, if he has not yet: an attempt is made then, that he hears on time. */
  readonly warnAt?: Instant | undefined;
  /** 0 to 1. Spreads a batch that failed together, so that it does not return together. */
  readonly jitter: number;
  /** `moved`: the wall clock jumped against the monotonic one, so that no age can be trusted; nothing expires. */
  readonly clock: 'steady' | 'moved';
}

export type NextStep = { readonly kind: 'retry'; readonly at: Instant } | { readonly kind: 'expire' };

export function nextStep(options: RetryOptions, input: RetryInput): NextStep {
  const { expiresAt, startedAt, now, jitter, clock } = input;
  if (startedAt >= expiresAt && clock === 'steady') return { kind: 'expire' };
  const scheduled = scheduledDelay(options, input);
  const delay = input.wait === undefined ? scheduled : namedDelay(options, input, scheduled);
  const at = Math.round(now + delay * (1 + jitter / 10));
  // The last attempt is made when the time is up, not hours later; and never at once.
  const latest = Math.min(expiresAt, warningAttempt(input));
  return { kind: 'retry', at: Math.max(Math.min(at, latest), now + Math.min(delay, MINUTE)) };
}

/** A wait that the receiver names is obeyed all the same. */
function warningAttempt({ warnAt: at, now, wait }: RetryInput): Instant {
  return at === undefined || at <= now || wait !== undefined ? Number.POSITIVE_INFINITY : at;
}

function scheduleFor(options: RetryOptions, { class: priority, reason }: ClassAndReason): Schedule {
  return options.classes[priority].schedules[reason] ?? options.schedules[reason] ?? options.general;
}

interface ClassAndReason {
  readonly class: PriorityClass;
  readonly reason: HoldReason;
}

/** Whether no attempt may begin any more. */
export function isOver({ expiry, expiresAt }: Pick<Entry, 'expiry' | 'expiresAt'>, now: Instant): boolean {
  return expiry === 'exact' && now >= expiresAt;
}

/** When the sender should be told that the message is late; absent: never. */
export function warnAt(
  options: RetryOptions,
  entry: Pick<Entry, 'class' | 'acceptedAt' | 'releaseAt' | 'warned' | 'deliverBy'>,
): Instant | undefined {
  const { acceptedAt, releaseAt, warned, deliverBy } = entry;
  if (warned) return undefined;
  if (deliverBy?.mode === 'notify') return deliverBy.at;
  const after = options.classes[entry.class].warnAfter;
  return after === undefined ? undefined : (releaseAt ?? acceptedAt) + after;
}

function scheduledDelay(options: RetryOptions, input: RetryInput): Duration {
  const { first, factor, max } = scheduleFor(options, input);
  // The exponent is bounded so that no number of attempts makes it infinite.
  return Math.min(first * factor ** Math.min(Math.max(input.attempts, 1) - 1, 64), max);
}

function namedDelay(options: RetryOptions, { wait = 0, attempts }: RetryInput, scheduled: Duration): Duration {
  const least = Math.min(SHORTEST_NAMED_WAIT * Math.max(attempts, 1), scheduled);
  return Math.min(Math.max(wait, least), options.maxNamedWait);
}
