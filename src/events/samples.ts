/** One event of each kind, as the documentation shows them and as tests use them. */

import { type Event, type EventKind } from './event.ts';

const AT = Date.UTC(2026, 10, 23, 21, 26, 24, 123);
const base = { at: AT };
const message = { ...base, queueId: '01jd3x7k2mpq0000abcd', sender: 'ann@a.test', tenant: 'acme', campaign: '' };
const entry = {
  ...message,
  entry: '01jd3x7k2mpq0000abcd/0',
  recipients: ['bob@b.test'],
  queue: ':acme@b.test',
  class: 'normal',
};
const way = { attempt: 1, route: 'mx', site: 'mx.b.test', source: 'default' };
const attempt = {
  ...entry,
  ...way,
  host: 'mx.b.test',
  address: '192.0.2.25',
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
  delays: { beforeQueue: 12, inQueue: 3, connect: 45, transmit: 60 },
};

export const EVENTS: { readonly [K in EventKind]: Extract<Event, { kind: K }> } = {
  accepted: {
    ...message,
    kind: 'accepted',
    recipients: ['bob@b.test', 'carl@c.test'],
    clientAddress: '192.0.2.7',
    clientName: 'client.a.test',
    protocol: 'ESMTP',
    listener: 'smtp',
    tls: undefined,
    octets: 4096,
    messageIdField: '<1@a.test>',
    subject: 'Hello',
    signedBy: 'd=a.test s=2026a, d=a.test s=2026b',
    delays: { beforeQueue: 12 },
  },
  rejected: {
    ...base,
    kind: 'rejected',
    stage: 'recipient',
    clientAddress: '192.0.2.66',
    clientName: 'spam.test',
    listener: 'smtp',
    sender: 'x@spam.test',
    recipient: 'nobody@b.test',
    reply: '550 5.1.1 No such user',
  },
  attempt: { ...entry, ...way, kind: 'attempt' },
  delivered: { ...attempt, kind: 'delivered', reply: '250 2.0.0 Ok: queued', status: '2.0.0', octets: 4096 },
  deferred: {
    ...attempt,
    kind: 'deferred',
    reply: '450 4.7.1 Greylisted, come back later',
    status: '4.7.1',
    reason: 'greylisted',
    scope: 'recipient',
    nextAttemptAt: AT + 300_000,
  },
  failed: { ...attempt, kind: 'failed', reply: '550 5.1.1 No such user', status: '5.1.1', scope: 'recipient' },
  expired: { ...entry, kind: 'expired', attempt: 17, reply: 'postrider: no answer from mx.b.test', status: '4.4.7' },
  suppressed: { ...entry, kind: 'suppressed', reason: 'complained on 2026-11-01' },
  dropped: { ...entry, kind: 'dropped', rule: 'discard-tests' },
  held: { ...entry, kind: 'held', rule: 'r7', reason: 'looks like a mistake' },
  released: { ...entry, kind: 'released', by: 'operator' },
  suspended: {
    ...base,
    kind: 'suspended',
    rule: 'r8',
    target: 'domain b.test',
    reason: 'their wish',
    by: 'operator',
    until: undefined,
  },
  resumed: { ...base, kind: 'resumed', rule: 'r8', target: 'domain b.test', by: 'operator' },
  rerouted: { ...base, kind: 'rerouted', rule: 'r9', target: 'domain b.test', route: 'smarthost', by: 'operator' },
  removed: { ...entry, kind: 'removed', by: 'operator', told: false },
  dsn: {
    ...base,
    kind: 'dsn',
    queueId: '01jd3x9zzzzz0000efgh',
    about: message.queueId,
    to: 'ann@a.test',
    action: 'failed',
    recipients: ['bob@b.test'],
  },
  relayed: {
    ...base,
    kind: 'relayed',
    sender: 'ann@a.test',
    recipients: ['bob@b.test'],
    clientAddress: '192.0.2.7',
    host: 'next.test',
    reply: '250 2.0.0 Ok',
    octets: 4096,
  },
};
