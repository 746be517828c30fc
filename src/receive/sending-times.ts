/**
 * When a message is to go and until when, from what MAIL asked (RFC 4865, RFC 2852) and what its option fields say; or why
 * it is refused.
 */

import { formatDuration } from '../lib/schema-units.ts';
import { type Duration, type Instant } from '../lib/time.ts';
import { type MessageOptions } from '../mail/message-options.ts';
import { type EnhancedStatus, type Reply, reply } from '../mail/reply.ts';
import { type DeliverBy, type Hold } from '../mail/sending-times.ts';
import { type MailRequest } from '../wire/smtp/parameters.ts';

export interface SendingTimes {
  /** Not to be tried before; only where that is later than now. */
  readonly releaseAt?: Instant;
  readonly deliverBy?: DeliverBy;
  /** Of no use from then on. */
  readonly uselessAt?: Instant;
}

export interface TimesContext {
  readonly now: Instant;
  /** How far ahead a message may be handed in. */
  readonly longestHold: Duration;
}

/** What MAIL asked for. */
export function requestedTimes({ hold, deliverWithin }: MailRequest, context: TimesContext): SendingTimes | Reply {
  if (hold === undefined && deliverWithin === undefined) return NOTHING;
  const releaseAt = hold && releaseOf(hold, context.now);
  const tooFar = obstacleOf(releaseAt, context, { code: 501, status: '5.5.4', what: 'HOLDFOR or HOLDUNTIL' });
  if (tooFar !== undefined) return tooFar;
  const deliverBy = deliverWithin && {
    at: context.now + deliverWithin.within,
    mode: deliverWithin.mode,
    trace: deliverWithin.trace,
  };
  if (deliverBy?.mode === 'return' && deliverBy.at <= (releaseAt ?? 0))
    return reply(501, '5.5.4', 'BY is over before HOLDFOR or HOLDUNTIL lets the message go');
  return { ...later(releaseAt, context.now), ...(deliverBy && { deliverBy }) };
}

/** The same with what the option fields add. */
export function timesWith(
  asked: SendingTimes,
  { sendAt, expires }: MessageOptions,
  context: TimesContext,
): SendingTimes | Reply {
  if (sendAt === undefined && expires === undefined) return asked;
  if (sendAt !== undefined && asked.releaseAt !== undefined)
    return reply(550, '5.6.0', 'X-Postrider-Send-At: MAIL names another time (HOLDFOR, HOLDUNTIL)');
  const tooFar = obstacleOf(sendAt, context, { code: 550, status: '5.6.0', what: 'X-Postrider-Send-At' });
  if (tooFar !== undefined) return tooFar;
  const times = { ...asked, ...later(sendAt, context.now) };
  const from = times.releaseAt ?? context.now;
  if (expires === undefined) return times;
  const uselessAt = 'at' in expires ? expires.at : from + expires.after;
  if (uselessAt <= from) return reply(550, '5.6.0', 'X-Postrider-Expires: that is over before the message is to go');
  return { ...times, uselessAt };
}

const NOTHING: SendingTimes = {};

function releaseOf(hold: Hold, now: Instant): Instant {
  return hold.kind === 'for' ? now + hold.duration : hold.at;
}

/** A time that is over means now. */
function later(at: Instant | undefined, now: Instant): SendingTimes {
  return at === undefined || at <= now ? NOTHING : { releaseAt: at };
}

interface Refusing {
  readonly code: number;
  readonly status: EnhancedStatus;
  readonly what: string;
}

function obstacleOf(
  at: Instant | undefined,
  { now, longestHold }: TimesContext,
  { code, status, what }: Refusing,
): Reply | undefined {
  if (at === undefined || at <= now + longestHold) return undefined;
  return reply(code, status, `${what}: further ahead than ${formatDuration(longestHold)} (queue.longestHold)`);
}
