/**
 * The fields that a line must have to be an event of its kind: the catalogue once more, for reading.
 *
 * The compiler holds both together: a field that is missing here, or has another type, does not compile.
 */

import { type Event, type EventKind } from './event.ts';

/** `?`: may be absent. */
export type FieldType = 'text' | 'text?' | 'number' | 'number?' | 'boolean' | 'texts' | 'texts?' | 'object';

type FieldTypeOf<T> = [T] extends [string]
  ? 'text'
  : [T] extends [number]
    ? 'number'
    : [T] extends [boolean]
      ? 'boolean'
      : [T] extends [readonly string[]]
        ? 'texts'
        : [T] extends [string | undefined]
          ? 'text?'
          : [T] extends [readonly string[] | undefined]
            ? 'texts?'
            : [T] extends [number | undefined]
              ? 'number?'
              : 'object';

type FieldsOf<E extends Event> = { readonly [K in Exclude<keyof E, 'kind'>]-?: FieldTypeOf<E[K]> };

const MESSAGE = {
  at: 'number',
  queueId: 'text',
  sender: 'text',
  tenant: 'text',
  campaign: 'text',
  tags: 'texts?',
  trackingId: 'text?',
} as const;
const ENTRY = { ...MESSAGE, entry: 'text', recipients: 'texts', queue: 'text', class: 'text' } as const;
const WAY = { attempt: 'number', route: 'text', site: 'text', source: 'text' } as const;
const ATTEMPT = {
  ...ENTRY,
  ...WAY,
  host: 'text',
  address: 'text',
  tls: 'text?',
  tlsHandshake: 'text?',
  tlsPolicy: 'text?',
  tlsResult: 'text?',
  tlsReason: 'text?',
  reply: 'text',
  status: 'text',
  delays: 'object',
} as const;

export const EVENT_FIELDS: { readonly [K in EventKind]: FieldsOf<Extract<Event, { kind: K }>> } = {
  accepted: {
    ...MESSAGE,
    recipients: 'texts',
    clientAddress: 'text',
    clientName: 'text',
    protocol: 'text',
    listener: 'text',
    user: 'text?',
    tls: 'text?',
    octets: 'number',
    messageIdField: 'text',
    subject: 'text',
    signedBy: 'text?',
    repaired: 'texts?',
    releaseAt: 'number?',
    delays: 'object',
  },
  rejected: {
    at: 'number',
    stage: 'text',
    clientAddress: 'text',
    clientName: 'text',
    listener: 'text',
    user: 'text?',
    sender: 'text?',
    recipient: 'text?',
    reply: 'text',
  },
  attempt: { ...ENTRY, ...WAY },
  delivered: { ...ATTEMPT, octets: 'number' },
  deferred: { ...ATTEMPT, reason: 'text', scope: 'text', nextAttemptAt: 'number' },
  failed: { ...ATTEMPT, scope: 'text' },
  expired: { ...ENTRY, attempt: 'number', reply: 'text', status: 'text' },
  suppressed: { ...ENTRY, reason: 'text' },
  dropped: { ...ENTRY, rule: 'text' },
  held: { ...ENTRY, rule: 'text', reason: 'text' },
  released: { ...ENTRY, by: 'text' },
  suspended: { at: 'number', rule: 'text', target: 'text', reason: 'text', by: 'text', until: 'number?' },
  resumed: { at: 'number', rule: 'text', target: 'text', by: 'text' },
  rerouted: { at: 'number', rule: 'text', target: 'text', route: 'text', by: 'text' },
  removed: { ...ENTRY, by: 'text', told: 'boolean' },
  dsn: { at: 'number', queueId: 'text', about: 'text', to: 'text', action: 'text', recipients: 'texts' },
  relayed: {
    at: 'number',
    sender: 'text',
    recipients: 'texts',
    clientAddress: 'text',
    host: 'text',
    reply: 'text',
    octets: 'number',
  },
  directoryChanged: {
    at: 'number',
    action: 'text',
    what: 'text',
    name: 'text',
    tenant: 'text',
    by: 'text',
    changes: 'texts',
  },
  tls: {
    at: 'number',
    domain: 'text',
    policy: 'text',
    policyType: 'text',
    host: 'text',
    address: 'text',
    sourceAddress: 'text?',
    result: 'text',
    reason: 'text',
    sessions: 'number',
  },
  tlsReportSent: { at: 'number', domain: 'text', day: 'text', to: 'text', successful: 'number', failed: 'number' },
  tlsReportReceived: {
    at: 'number',
    queueId: 'text',
    organization: 'text',
    reportId: 'text',
    domain: 'text',
    policyType: 'text',
    begin: 'number',
    end: 'number',
    successful: 'number',
    failed: 'number',
    failures: 'texts',
  },
};
