/** Entries, recipients and outcomes for tests: only what a case is about is named in it. */

import { type Entry, type EntryId, type EntryRecipient } from '../../src/mail/entry.ts';
import { type Domain } from '../../src/mail/domain.ts';
import { type Notify } from '../../src/mail/envelope.ts';
import { type Outcome, type Undelivered } from '../../src/mail/outcome.ts';
import { type QueueId } from '../../src/mail/queue-id.ts';
import { queueName } from '../../src/mail/queue-name.ts';
import { type Rule } from '../../src/mail/rule.ts';

export const DAYS = 24 * 3_600_000;

export function recipientOf(address: string, index = 0, notify?: readonly Notify[]): EntryRecipient {
  const at = address.lastIndexOf('@');
  const forwardPath = { localPart: address.slice(0, at), domain: address.slice(at + 1) as Domain };
  return { forwardPath, orcpt: undefined, notify, index };
}

export interface EntryParts extends Partial<Entry> {
  readonly tenant?: string;
  readonly campaign?: string;
}

/** A fresh entry of message `m1` to one recipient at `routingDomain`. */
export function entryOf({ tenant = '', campaign = '', ...parts }: EntryParts = {}): Entry {
  const routingDomain = parts.routingDomain ?? 'example.test';
  const id = parts.id ?? ('m1/0' as EntryId);
  const acceptedAt = parts.acceptedAt ?? 0;
  return {
    id,
    message: id.slice(0, id.indexOf('/')) as QueueId,
    queue: queueName({ campaign, tenant, domain: routingDomain }),
    routingDomain,
    route: 'mx',
    class: 'normal',
    lane: 'fresh',
    dueAt: acceptedAt,
    acceptedAt,
    expiresAt: acceptedAt + 5 * DAYS,
    attempts: 0,
    recipients: [recipientOf(`ann@${routingDomain}`)],
    reason: 'new',
    lastReply: '',
    lastAttemptAt: undefined,
    warned: false,
    crashes: 0,
    octets: 4096,
    ...parts,
  };
}

export function delivered(parts: Partial<Extract<Outcome, { kind: 'delivered' }>> = {}): Outcome {
  const base = { kind: 'delivered', remoteMta: 'mx.test', status: '2.0.0', diagnostic: '250 2.0.0 OK' } as const;
  return { ...base, dsnPassedOn: true, final: false, ...parts };
}

export function undelivered(parts: Partial<Undelivered> = {}): Undelivered {
  const base = { kind: 'deferred', status: '4.3.0', scope: 'recipient', diagnostic: '451 4.3.0 busy' } as const;
  return { ...base, remoteMta: 'mx.test', cause: 'reply', ...parts };
}

/** A suspension of everything. */
export function ruleOf(parts: Partial<Rule> = {}): Rule {
  return {
    id: 'r1',
    epoch: 1,
    kind: 'suspend',
    target: {},
    route: undefined,
    reason: 'a test',
    setBy: 'ann',
    setAt: 0,
    until: undefined,
    ...parts,
  };
}
