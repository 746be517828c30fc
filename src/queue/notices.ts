/**
 * Who is told what: NOTIFY of RFC 3461 §4.1 and §5.2.
 *
 * Without NOTIFY a sender is told of failures, and may be told of delays (§4.1 leaves it to us; we do).
 * SUCCESS is answered `delivered` by whoever delivers, and `relayed` by whoever passes the message to an MTA
 * that cannot answer it (§5.2.2); where the request was passed on, the next hop answers.
 */

import { type Instant } from '../lib/time.ts';
import { wantsNotice } from '../mail/dsn-notify.ts';
import { type Entry, type EntryRecipient } from '../mail/entry.ts';
import { type Notice, type NoticeAction } from '../mail/notice.ts';
import { type Outcome, type Undelivered } from '../mail/outcome.ts';
import { type EnhancedStatus } from '../mail/reply.ts';

type Delivered = Extract<Outcome, { kind: 'delivered' }>;

export interface Fate {
  readonly recipient: EntryRecipient;
  readonly kind: 'delivered' | 'failed' | 'expired';
  readonly outcome: Outcome;
}

/** What the sender must be told of a recipient that is over; absent: nothing. */
export function noticeFor(entry: Entry, { recipient, kind, outcome }: Fate, now: Instant): Notice | undefined {
  if (outcome.kind === 'delivered') {
    const action = successAction(entry, outcome);
    const traced = action === 'relayed' && tracesHops(entry, outcome) && recipient.notify?.includes('NEVER') !== true;
    if (action === undefined || !(traced || wantsNotice(recipient, action))) return undefined;
    return notice(entry, { recipient, action, status: outcome.status, outcome }, now);
  }
  if (!wantsNotice(recipient, 'failed')) return undefined;
  // RFC 3463 §3.5: X.4.7 is "delivery time expired"; what the next hop last said is in the diagnostic.
  const status: EnhancedStatus = kind === 'expired' ? '4.4.7' : outcome.status;
  return notice(entry, { recipient, action: 'failed', status, outcome }, now);
}

export function delayNotice(
  entry: Entry,
  { recipient, outcome }: { readonly recipient: EntryRecipient; readonly outcome: Undelivered },
  now: Instant,
): Notice | undefined {
  // RFC 2852 §4: who asks for it by BY hears of it, whatever else NOTIFY says.
  const asked = entry.deliverBy?.mode === 'notify' && recipient.notify?.includes('NEVER') !== true;
  if (!asked && !wantsNotice(recipient, 'delayed')) return undefined;
  return notice(entry, { recipient, action: 'delayed', status: outcome.status, outcome }, now);
}

function successAction(entry: Entry, outcome: Delivered): NoticeAction | undefined {
  if (outcome.final) return 'delivered';
  return outcome.dsnPassedOn && !tracesHops(entry, outcome) ? undefined : 'relayed';
}

/** RFC 2852 §4: its sender wants to hear of each hop, or this hop does not look after its time any more. */
function tracesHops({ deliverBy }: Entry, { deliverByPassedOn }: Delivered): boolean {
  return deliverBy !== undefined && (deliverBy.trace || (deliverBy.mode === 'notify' && deliverByPassedOn !== true));
}

interface Told {
  readonly recipient: EntryRecipient;
  readonly action: NoticeAction;
  readonly status: EnhancedStatus;
  readonly outcome: Outcome;
}

function notice(entry: Entry, { recipient, action, status, outcome }: Told, now: Instant): Notice {
  const { index, forwardPath, orcpt, notify } = recipient;
  return {
    message: entry.message,
    recipientIndex: index,
    recipient: { forwardPath, orcpt, notify },
    action,
    status,
    diagnostic: outcome.diagnostic,
    remoteMta: outcome.remoteMta,
    at: now,
    willRetryUntil: action === 'delayed' ? entry.expiresAt : undefined,
  };
}
