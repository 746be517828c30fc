/** Events about entries, made from what the queue manager knows. */

import { type AttemptReport } from '../../queue/dispatch.ts';
import { type Entry, type EntryRecipient } from '../../mail/entry.ts';
import { type Outcome } from '../../mail/outcome.ts';
import { formatMailbox } from '../../mail/path.ts';
import { partsOf } from '../../mail/queue-name.ts';
import { type TlsSession } from '../../mail/tls-result.ts';
import {
  type AttemptEvent,
  type DeferredEvent,
  type DeliveredEvent,
  type Delays,
  type DroppedEvent,
  type ExpiredEvent,
  type FailedEvent,
  type HeldEvent,
  type ReleasedEvent,
  type RemovedEvent,
} from '../../events/event.ts';
import { type Instant } from '../../lib/time.ts';

/** An attempt as the queue manager remembers it. */
export interface AttemptFacts {
  readonly entry: Entry;
  readonly route: string;
  /** The route throws mail away on purpose. */
  readonly dropped: boolean;
  readonly site: string;
  readonly source: string;
  readonly startedAt: Instant;
  /** Absent when the outcome came without a dispatch. */
  readonly report: AttemptReport | undefined;
}

export function addressesOf(recipients: readonly EntryRecipient[]): readonly string[] {
  return recipients.map(({ forwardPath }) => formatMailbox(forwardPath));
}

function entryFields(entry: Entry, recipients: readonly EntryRecipient[], at: Instant) {
  const { tenant, campaign } = partsOf(entry.queue);
  return {
    at,
    queueId: entry.message,
    sender: entry.sender ?? '',
    tenant,
    campaign,
    ...{ tags: entry.tags, trackingId: entry.trackingId },
    entry: entry.id,
    recipients: addressesOf(recipients),
    queue: entry.queue,
    class: entry.class,
  };
}

export function attemptEvent({ entry, route, site, source, startedAt }: AttemptFacts): AttemptEvent {
  const fields = entryFields(entry, entry.recipients, startedAt);
  return { kind: 'attempt', ...fields, attempt: entry.attempts + 1, route, site, source };
}

function attemptFields(facts: AttemptFacts, recipients: readonly EntryRecipient[], at: Instant) {
  const { entry, route, site, source, report } = facts;
  return {
    ...entryFields(entry, recipients, at),
    attempt: entry.attempts + 1,
    route,
    site,
    source,
    host: report?.host ?? '',
    address: report?.address ?? '',
    tls: report?.tls,
    ...policyFields(report?.tlsSession),
    delays: delaysOf(facts),
  };
}

function policyFields(session: TlsSession | undefined) {
  const tlsReason = session?.policy === 'opportunistic' ? undefined : session?.reason;
  const tlsHandshake = session?.resumed === true ? 'resumed' : undefined;
  return { tlsHandshake, tlsPolicy: session?.policy, tlsResult: session?.result, tlsReason };
}

function delaysOf({ entry, startedAt, report }: AttemptFacts): Delays {
  return {
    beforeQueue: entry.beforeQueue ?? 0,
    inQueue: Math.max(0, startedAt - (entry.releaseAt ?? entry.acceptedAt)),
    connect: Math.round(report?.connectTime ?? 0),
    transmit: Math.round(report?.transmitTime ?? 0),
  };
}

export interface Fate {
  readonly recipients: readonly EntryRecipient[];
  readonly outcome: Outcome;
}

export function deliveredEvent(facts: AttemptFacts, { recipients, outcome }: Fate, at: Instant): DeliveredEvent {
  return {
    kind: 'delivered',
    ...attemptFields(facts, recipients, at),
    reply: outcome.diagnostic,
    status: outcome.status,
    octets: facts.entry.octets,
  };
}

export function droppedEvent(facts: AttemptFacts, recipients: readonly EntryRecipient[], at: Instant): DroppedEvent {
  return { kind: 'dropped', ...entryFields(facts.entry, recipients, at), rule: `route ${facts.route}` };
}

export function failedEvent(facts: AttemptFacts, { recipients, outcome }: Fate, at: Instant): FailedEvent {
  return {
    kind: 'failed',
    ...attemptFields(facts, recipients, at),
    reply: outcome.diagnostic,
    status: outcome.status,
    scope: scopeOf(outcome),
  };
}

export function expiredEvent(facts: AttemptFacts, { recipients, outcome }: Fate, at: Instant): ExpiredEvent {
  return {
    kind: 'expired',
    ...entryFields(facts.entry, recipients, at),
    attempt: facts.entry.attempts + 1,
    reply: outcome.diagnostic,
    status: outcome.status,
  };
}

export interface Postponed extends Fate {
  readonly reason: string;
  readonly nextAt: Instant;
}

export function deferredEvent(facts: AttemptFacts, postponed: Postponed, at: Instant): DeferredEvent {
  const { recipients, outcome, reason, nextAt } = postponed;
  return {
    kind: 'deferred',
    ...attemptFields(facts, recipients, at),
    reply: outcome.diagnostic,
    status: outcome.status,
    reason,
    scope: scopeOf(outcome),
    nextAttemptAt: nextAt,
  };
}

function scopeOf(outcome: Outcome): string {
  return outcome.kind === 'delivered' ? 'recipient' : outcome.scope;
}

export function heldEvent(entry: Entry, why: { rule: string; reason: string }, at: Instant): HeldEvent {
  return { kind: 'held', ...entryFields(entry, entry.recipients, at), ...why };
}

export function releasedEvent(entry: Entry, by: string, at: Instant): ReleasedEvent {
  return { kind: 'released', ...entryFields(entry, entry.recipients, at), by };
}

export function removedEvent(entry: Entry, how: { by: string; told: boolean }, at: Instant): RemovedEvent {
  return { kind: 'removed', ...entryFields(entry, entry.recipients, at), ...how };
}
