/**
 * Records as JSON, and back. What comes from a disk is not trusted: every field is checked, and every value
 * is built anew with all its fields in one order. A record that does not fit throws `CorruptRecord`.
 */

import { type Entry, type EntryId, type EntryRecipient, type Lane } from '../mail/entry.ts';
import { type BodyType, type Client, type Envelope, type Notify, type Recipient } from '../mail/envelope.ts';
import { HOLD_REASONS, type HoldReason } from '../mail/hold-reason.ts';
import { type Notice, type NoticeAction } from '../mail/notice.ts';
import { type Mailbox } from '../mail/path.ts';
import { PRIORITY_CLASSES } from '../mail/priority-class.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type QueueName } from '../mail/queue-name.ts';
import { type EnhancedStatus } from '../mail/reply.ts';
import { type DeliverBy } from '../mail/sending-times.ts';
import { type Rule, type RuleTarget } from '../mail/rule.ts';
import { type ContentRef, type StoredMessage } from './spool.ts';

export class CorruptRecord extends Error {}

type Fields = Readonly<Record<string, unknown>>;

const BODIES: readonly BodyType[] = ['7BIT', '8BITMIME', 'BINARYMIME'];
const NOTIFY: readonly Notify[] = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];
const PROTOCOLS: readonly Client['protocol'][] = ['SMTP', 'ESMTP', 'LMTP', 'HTTP', 'LOCAL'];
const LANES: readonly Lane[] = ['fresh', 'deferred', 'held'];
const ACTIONS: readonly NoticeAction[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'];
const RULE_KINDS: readonly Rule['kind'][] = ['suspend', 'hold', 'reroute'];
const TARGETS = ['campaign', 'tenant', 'domain', 'message', 'site', 'source', 'sender', 'recipient'] as const;
// Object.keys gives strings; these are the reasons' own names.
const REASONS = Object.keys(HOLD_REASONS) as HoldReason[];

export function decodeEntry(json: string): Entry {
  const from = fields(parse(json));
  return {
    id: text(from, 'id') as EntryId,
    message: text(from, 'message') as QueueId,
    queue: text(from, 'queue') as QueueName,
    routingDomain: text(from, 'routingDomain'),
    route: text(from, 'route'),
    class: oneOf(from, 'class', PRIORITY_CLASSES),
    lane: oneOf(from, 'lane', LANES),
    dueAt: number(from, 'dueAt'),
    acceptedAt: number(from, 'acceptedAt'),
    expiresAt: number(from, 'expiresAt'),
    attempts: number(from, 'attempts'),
    recipients: list(from, 'recipients').map(entryRecipient),
    reason: oneOf(from, 'reason', REASONS),
    lastReply: text(from, 'lastReply'),
    lastAttemptAt: maybe(from, 'lastAttemptAt', number),
    warned: flag(from, 'warned'),
    crashes: number(from, 'crashes'),
    octets: number(from, 'octets'),
    ...optionalOfEntry(from),
    ...sendersWords(from),
  };
}

function optionalOfEntry(from: Fields): Pick<Entry, 'sender' | 'beforeQueue' | 'releaseAt' | 'expiry'> {
  return {
    ...(from['sender'] === undefined ? {} : { sender: text(from, 'sender') }),
    ...(from['beforeQueue'] === undefined ? {} : { beforeQueue: number(from, 'beforeQueue') }),
    ...(from['releaseAt'] === undefined ? {} : { releaseAt: number(from, 'releaseAt') }),
    ...(from['expiry'] === undefined ? {} : { expiry: oneOf(from, 'expiry', ['exact']) }),
  };
}

export function decodeMessage(json: string): StoredMessage {
  const from = fields(parse(json));
  return {
    id: text(from, 'id') as QueueId,
    envelope: envelope(fields(from['envelope'])),
    class: oneOf(from, 'class', PRIORITY_CLASSES),
    acceptedAt: number(from, 'acceptedAt'),
    content: contentRef(fields(from['content'])),
    report: flag(from, 'report'),
    eightBit: flag(from, 'eightBit'),
  };
}

export function decodeNotice(json: string): Notice {
  const from = fields(parse(json));
  return {
    message: text(from, 'message') as QueueId,
    recipientIndex: number(from, 'recipientIndex'),
    recipient: recipient(fields(from['recipient'])),
    action: oneOf(from, 'action', ACTIONS),
    status: text(from, 'status') as EnhancedStatus,
    diagnostic: text(from, 'diagnostic'),
    remoteMta: text(from, 'remoteMta'),
    at: number(from, 'at'),
    willRetryUntil: maybe(from, 'willRetryUntil', number),
  };
}

export function decodeRule(json: string): Rule {
  const from = fields(parse(json));
  return {
    id: text(from, 'id'),
    epoch: number(from, 'epoch'),
    kind: oneOf(from, 'kind', RULE_KINDS),
    target: ruleTarget(fields(from['target'])),
    route: maybe(from, 'route', text),
    reason: text(from, 'reason'),
    setBy: text(from, 'setBy'),
    setAt: number(from, 'setAt'),
    until: maybe(from, 'until', number),
  };
}

/** Named numbers: what the store says about itself. */
export function decodeNumbers<K extends string>(json: string, names: readonly K[]): Record<K, number> {
  const from = fields(parse(json));
  // fromEntries cannot know that it was given every name.
  return Object.fromEntries(names.map((name) => [name, number(from, name)])) as Record<K, number>;
}

function envelope(from: Fields): Envelope {
  const reversePath = from['reversePath'];
  return {
    reversePath: reversePath === null ? null : mailbox(fields(reversePath)),
    body: oneOf(from, 'body', BODIES),
    smtpUtf8: flag(from, 'smtpUtf8'),
    ret: maybe(from, 'ret', (at, name) => oneOf(at, name, ['FULL', 'HDRS'] as const)),
    envid: maybe(from, 'envid', text),
    ...(from['requireTls'] === undefined ? {} : { requireTls: flag(from, 'requireTls') }),
    ...(from['tlsOptional'] === undefined ? {} : { tlsOptional: flag(from, 'tlsOptional') }),
    client: client(fields(from['client'])),
    tenant: text(from, 'tenant'),
    campaign: text(from, 'campaign'),
    ...(from['priority'] === undefined ? {} : { priority: number(from, 'priority') }),
    ...sendersWords(from),
  };
}

/** What an envelope and its entries have alike. */
function sendersWords(from: Fields): Pick<Entry, 'deliverBy' | 'tags' | 'trackingId'> {
  return {
    ...(from['deliverBy'] === undefined ? {} : { deliverBy: deliverBy(fields(from['deliverBy'])) }),
    ...(from['tags'] === undefined ? {} : { tags: list(from, 'tags').map((_, i, all) => textAt(all, i)) }),
    ...(from['trackingId'] === undefined ? {} : { trackingId: text(from, 'trackingId') }),
  };
}

function deliverBy(from: Fields): DeliverBy {
  return { at: number(from, 'at'), mode: oneOf(from, 'mode', ['return', 'notify']), trace: flag(from, 'trace') };
}

function client(from: Fields): Client {
  return {
    address: text(from, 'address'),
    port: number(from, 'port'),
    helloName: text(from, 'helloName'),
    protocol: oneOf(from, 'protocol', PROTOCOLS),
    tls: maybe(from, 'tls', text),
    listener: text(from, 'listener'),
    ...(from['user'] === undefined ? {} : { user: text(from, 'user') }),
  };
}

function contentRef(from: Fields): ContentRef {
  return { octets: number(from, 'octets'), file: maybe(from, 'file', text) };
}

function entryRecipient(value: unknown): EntryRecipient {
  const from = fields(value);
  return { ...recipient(from), index: number(from, 'index') };
}

function recipient(from: Fields): Recipient {
  return {
    forwardPath: mailbox(fields(from['forwardPath'])),
    orcpt: maybe(from, 'orcpt', text),
    notify: maybe(from, 'notify', (at, name) => list(at, name).map((_, i, all) => oneOf(all, i, NOTIFY))),
  };
}

function mailbox(from: Fields): Mailbox {
  // The domain was parsed before it was stored.
  return { localPart: text(from, 'localPart'), domain: text(from, 'domain') as Mailbox['domain'] };
}

function ruleTarget(from: Fields): RuleTarget {
  const given = TARGETS.filter((name) => from[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, text(from, name)]));
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new CorruptRecord('not JSON', { cause: error });
  }
}

function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CorruptRecord('not an object');
  // Any object can be asked for names; each answer is checked.
  return value as Fields;
}

function text(from: Fields, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : wrong(name);
}

function textAt(from: readonly unknown[], at: number): string {
  const value = from[at];
  return typeof value === 'string' ? value : wrong(String(at));
}

function number(from: Fields, name: string): number {
  const value = from[name];
  return typeof value === 'number' ? value : wrong(name);
}

function flag(from: Fields, name: string): boolean {
  const value = from[name];
  return typeof value === 'boolean' ? value : wrong(name);
}

function list(from: Fields, name: string): readonly unknown[] {
  const value = from[name];
  return Array.isArray(value) ? value : wrong(name);
}

function maybe<T>(from: Fields, name: string, read: (from: Fields, name: string) => T): T | undefined {
  return from[name] === undefined ? undefined : read(from, name);
}

function oneOf<T extends string>(from: Fields | readonly unknown[], name: string | number, words: readonly T[]): T {
  // An array is asked by position, an object by name.
  const value = (from as Fields)[name];
  return words.find((word) => word === value) ?? wrong(String(name));
}

function wrong(name: string): never {
  throw new CorruptRecord(`field '${name}' is missing or of a wrong kind`);
}
