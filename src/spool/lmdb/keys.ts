/**
 * The keys of the store: printable ASCII, so that the order of strings is the order of octets on disk.
 *
 *     message/<id>  content/<id>  keep/<id>  rule/<id>  meta/<name>
 *     entry/<id>/<n>            notice/<id>/<recipient>     outbox/<sequence>
 *     due/<partition>/<queue>/<class>/<lane>/<due>/<id>/<n>   (empty value)
 *     agenda/<partition>/<earliest due>/<queue>               (empty value)
 *
 * Queue names are percent-encoded and hold no `/`; ids are base 32. Numbers have a fixed width.
 */

import { type Instant } from '../../lib/time.ts';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Partition, partitionOf } from '../../mail/partition.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type QueueName } from '../../mail/queue-name.ts';
import { type LaneKey } from '../spool.ts';

/** Sorts after everything that can follow a prefix. */
const END = '\x7f';
/** Sorts before everything that can follow a key: the place right behind it. */
const BEHIND = '!';

const INSTANT_DIGITS = 10;
const MAX_INSTANT = 32 ** INSTANT_DIGITS - 1;
const NUMBER_DIGITS = 12;

export const STATE_KEY = 'meta/state';
export const FORMAT_KEY = 'meta/format';

export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** All keys with the prefix; those behind `after` when it is given. */
export function under(prefix: string, after?: string): KeyRange {
  return { start: after === undefined ? prefix : prefix + after + BEHIND, end: prefix + END };
}

export const messageKey = (id: QueueId): string => `message/${id}`;
export const contentKey = (id: QueueId): string => `content/${id}`;
export const keepKey = (id: QueueId): string => `keep/${id}`;
export const entryKey = (id: EntryId): string => `entry/${id}`;
export const entriesPrefix = (message: QueueId): string => `entry/${message}/`;
export const noticesPrefix = (message: QueueId): string => `notice/${message}/`;
export const noticeKey = (message: QueueId, recipient: number): string => noticesPrefix(message) + number(recipient);
export const outboxKey = (sequence: number): string => `outbox/${number(sequence)}`;
export const ruleKey = (id: string): string => `rule/${encodeURIComponent(id)}`;

export function lanePrefix(lane: LaneKey): string {
  return `${queuePrefix(partitionDigits(lane.partition), lane.queue)}${lane.class}/${lane.lane}/`;
}

/** Due rows of a queue, of all classes and lanes. */
export function queuePrefix(partition: string, queue: string): string {
  return `due/${partition}/${queue}/`;
}

export function dueKey(entry: Entry): string {
  const queue = queuePrefix(partitionDigitsOf(entry.routingDomain), entry.queue);
  return `${queue}${entry.class}/${entry.lane}/${dueSuffix(entry.dueAt, entry.id)}`;
}

export function dueSuffix(dueAt: Instant, entry: EntryId): string {
  return `${instant(dueAt)}/${entry}`;
}

export interface DueRow {
  readonly lane: string;
  readonly dueAt: Instant;
  readonly entry: EntryId;
}

/** Reads `<class>/<lane>/<due>/<id>/<n>`, what follows a queue's prefix. */
export function parseDueRow(key: string, prefix: string): DueRow {
  const [priority = '', lane = '', due = '', message = '', n = ''] = key.slice(prefix.length).split('/');
  // The brand of an id that was checked when it was written.
  return { lane: `${priority}/${lane}`, dueAt: Number.parseInt(due, 32), entry: `${message}/${n}` as EntryId };
}

export const agendaPrefix = (partition: string): string => `agenda/${partition}/`;

export function agendaSuffix(dueAt: Instant, queue: string): string {
  return `${instant(dueAt)}/${queue}`;
}

export function parseAgendaKey(key: string): { partition: string; dueAt: Instant; queue: QueueName } {
  const [, partition = '', due = '', queue = ''] = key.split('/');
  return { partition, dueAt: Number.parseInt(due, 32), queue: queue as QueueName };
}

/** The part of a key behind its first word. */
export function afterWord(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

export function partitionDigits(partition: Partition): string {
  return partition.toString(16).padStart(2, '0');
}

const KNOWN_PARTITIONS = 4096;
const partitions = new Map<string, string>();

/** Remembered for the latest few thousand domains: hashing one costs a microsecond, and each key needs it. */
export function partitionDigitsOf(routingDomain: string): string {
  const known = partitions.get(routingDomain);
  if (known !== undefined) return known;
  const digits = partitionDigits(partitionOf(routingDomain));
  if (partitions.size >= KNOWN_PARTITIONS) partitions.clear();
  partitions.set(routingDomain, digits);
  return digits;
}

/** Whole milliseconds, rounded down: a row may be early, never late. */
function instant(at: Instant): string {
  return Math.min(Math.max(Math.floor(at), 0), MAX_INSTANT)
    .toString(32)
    .padStart(INSTANT_DIGITS, '0');
}

function number(value: number): string {
  return String(value).padStart(NUMBER_DIGITS, '0');
}
