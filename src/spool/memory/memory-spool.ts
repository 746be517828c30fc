/**
 * The spool in memory: a twin for tests of what stands above the spool. Same rules, nothing survives.
 *
 * It shares no memory with its caller: values are taken apart into JSON and built again, octets are copied.
 */

import { readFile, rm } from 'node:fs/promises';
import { type Entry, type EntryId, type Lane, messageOf } from '../../mail/entry.ts';
import { type Notice } from '../../mail/notice.ts';
import { type Partition, partitionOf } from '../../mail/partition.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type QueueName } from '../../mail/queue-name.ts';
import { type Rule } from '../../mail/rule.ts';
import { checkPage, checkSettlement, NOTHING } from '../check.ts';
import { decodeEntry, decodeMessage, decodeNotice, decodeRule } from '../codec.ts';
import {
  type AgendaKey,
  type AgendaRow,
  type Committed,
  type Content,
  type ContentPart,
  type DueKey,
  type Epoch,
  type Kept,
  type LaneKey,
  type NewContent,
  type NewMessage,
  type OutboxRecord,
  type Page,
  type Settlement,
  type Spool,
  type SpoolFigures,
  type StoredMessage,
} from '../spool.ts';

export interface MemorySpoolOptions {
  /** A folder for content files that tests write; they are read and removed when they are accepted. */
  readonly incoming?: string;
  readonly freeOctets?: number;
}

const PLENTY = 2 ** 40;

export class MemorySpool implements Spool {
  readonly incoming: string;
  readonly #freeOctets: number;
  readonly #messages = new Map<QueueId, string>();
  readonly #contents = new Map<QueueId, Buffer>();
  readonly #entries = new Map<EntryId, string>();
  readonly #notices = new Map<QueueId, Map<number, string>>();
  readonly #rules = new Map<string, string>();
  readonly #kept = new Map<QueueId, string>();
  #outbox: OutboxRecord[] = [];
  #sequence = 0;
  #epoch = 0;
  #closed = false;

  constructor({ incoming, freeOctets }: MemorySpoolOptions = {}) {
    this.incoming = incoming ?? '';
    this.#freeOctets = freeOctets ?? PLENTY;
  }

  accept(batch: readonly NewMessage[], epoch: Epoch): Promise<Committed> {
    return this.settle({ ...NOTHING, add: batch }, epoch);
  }

  async settle(batch: Settlement, epoch: Epoch): Promise<Committed> {
    if (this.#closed) throw new Error('the spool is closed');
    checkSettlement(batch);
    const contents = batch.add.map(({ content }) =>
      content.kind === 'octets' ? Buffer.from(content.octets) : content,
    );
    // Every spool answers in a later tick.
    await new Promise((resolve) => setImmediate(resolve));
    if (epoch < this.#epoch) return { kind: 'stale', epoch: this.#epoch };
    const octets = await Promise.all(contents.map(contentOctets));
    this.#check(batch);
    this.#epoch = epoch;
    this.#apply(batch, octets);
    return { kind: 'committed' };
  }

  async agenda(partition: Partition, after: AgendaKey | undefined, limit: number): Promise<Page<AgendaRow, AgendaKey>> {
    const earliest = new Map<QueueName, number>();
    for (const entry of this.#allEntries()) {
      if (entry.lane === 'held' || partitionOf(entry.routingDomain) !== partition) continue;
      const dueAt = Math.floor(entry.dueAt);
      earliest.set(entry.queue, Math.min(earliest.get(entry.queue) ?? dueAt, dueAt));
    }
    const rows = [...earliest].map(([queue, dueAt]): AgendaRow => ({ partition, dueAt, queue }));
    return page(rows, {
      after,
      limit,
      keyOf: agendaKeyOf,
      compare: (a, b) => a.dueAt - b.dueAt || order(a.queue, b.queue),
    });
  }

  async due(lane: LaneKey, after: DueKey | undefined, limit: number): Promise<Page<Entry, DueKey>> {
    const rows = this.#allEntries().filter((entry) => isIn(lane, entry));
    return page(rows, {
      after,
      limit,
      keyOf: dueKeyOf,
      compare: (a, b) => a.dueAt - b.dueAt || order(a.entry, b.entry),
    });
  }

  async entry(id: EntryId): Promise<Entry | undefined> {
    return decoded(this.#entries.get(id), decodeEntry);
  }

  async entries(after: EntryId | undefined, limit: number): Promise<Page<Entry, EntryId>> {
    return page(this.#allEntries(), { after, limit, keyOf: ({ id }) => id, compare: order });
  }

  async entriesOf(message: QueueId): Promise<readonly Entry[]> {
    const entries = this.#allEntries().filter((entry) => entry.message === message);
    return entries.sort((a, b) => order(a.id, b.id));
  }

  async message(id: QueueId): Promise<StoredMessage | undefined> {
    return decoded(this.#messages.get(id), decodeMessage);
  }

  async content(message: QueueId, part?: ContentPart): Promise<Content | undefined> {
    const whole = this.#contents.get(message);
    const octets = part === undefined ? whole : whole?.subarray(part.at, part.at + part.octets);
    return octets === undefined ? undefined : { kind: 'octets', octets: Buffer.from(octets) };
  }

  release(_message: QueueId): void {
    // What `content` gave is the caller's own.
  }

  async notices(after: QueueId | undefined, limit: number): Promise<Page<readonly [Notice, ...Notice[]], QueueId>> {
    const rows: (readonly [Notice, ...Notice[]])[] = [];
    for (const message of this.#notices.keys()) {
      const [first, ...rest] = this.#noticesOf(message);
      if (first !== undefined) rows.push([first, ...rest]);
    }
    return page(rows, { after, limit, keyOf: ([{ message }]) => message, compare: order });
  }

  async noticesOf(message: QueueId): Promise<readonly Notice[]> {
    return this.#noticesOf(message);
  }

  async kept(after: QueueId | undefined, limit: number): Promise<Page<Kept, QueueId>> {
    const rows = [...this.#kept].map(([message, note]) => ({ message, note }));
    return page(rows, { after, limit, keyOf: ({ message }) => message, compare: order });
  }

  async rules(): Promise<readonly Rule[]> {
    const rules = [...this.#rules.values()].map(decodeRule);
    return rules.sort((a, b) => order(encodeURIComponent(a.id), encodeURIComponent(b.id)));
  }

  async outbox(after: number, limit: number): Promise<Page<OutboxRecord, number>> {
    return page(this.#outbox, { after, limit, keyOf: ({ sequence }) => sequence, compare: (a, b) => a - b });
  }

  async figures(): Promise<SpoolFigures> {
    const usedOctets = [...this.#contents.values()].reduce((sum, { length }) => sum + length, 0);
    const [messages, entries, freeOctets] = [this.#messages.size, this.#entries.size, this.#freeOctets];
    return { messages, entries, freeOctets, usedOctets, reusableOctets: 0, readerLag: 0 };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check({ remove, put, add, notices }: Settlement): void {
    for (const id of remove)
      if (!this.#entries.has(id)) throw new Error(`entry ${id} is to be removed and does not exist`);
    for (const { id, message } of put)
      if (!this.#messages.has(message)) throw new Error(`entry ${id} is put and its message does not exist`);
    for (const { id } of add) if (this.#messages.has(id)) throw new Error(`message ${id} is added and exists already`);
    for (const { message } of notices)
      if (!this.#messages.has(message))
        throw new Error(`a notice is stored for message ${message}, which does not exist`);
  }

  #apply(batch: Settlement, contents: readonly Buffer[]): void {
    const letGo = batch.letGo ?? [];
    const told = batch.told.map(({ message }) => message);
    const touched = new Set<QueueId>([...batch.remove.map(messageOf), ...told, ...letGo]);
    for (const id of batch.remove) this.#entries.delete(id);
    for (const entry of batch.put) this.#entries.set(entry.id, JSON.stringify(entry));
    for (const notice of batch.notices) this.#putNotice(notice);
    for (const { message, recipients } of batch.told)
      for (const recipient of recipients) this.#notices.get(message)?.delete(recipient);
    for (const [i, message] of batch.add.entries()) this.#add(message, contents[i]);
    for (const id of letGo) this.#kept.delete(id);
    this.#applyRules(batch.rules);
    // What is still to be written cannot be in the log yet.
    const logged = batch.logged ?? 0;
    this.#outbox = this.#outbox.filter(({ sequence }) => sequence > logged);
    this.#record([...batch.add.flatMap(({ events }) => events), ...batch.events]);
    for (const message of touched) this.#endUnlessNeeded(message);
  }

  #applyRules({ put, remove }: Settlement['rules']): void {
    for (const rule of put) this.#rules.set(rule.id, JSON.stringify(rule));
    for (const id of remove) this.#rules.delete(id);
  }

  #putNotice(notice: Notice): void {
    const ofMessage = this.#notices.get(notice.message) ?? new Map<number, string>();
    this.#notices.set(notice.message, ofMessage.set(notice.recipientIndex, JSON.stringify(notice)));
  }

  #add(message: NewMessage, content?: Buffer): void {
    const { id, envelope, class: priority, acceptedAt, report, eightBit, entries, keep } = message;
    const octets = content ?? Buffer.alloc(0);
    const ref = { octets: octets.length, file: undefined };
    const stored: StoredMessage = { id, envelope, class: priority, acceptedAt, content: ref, report, eightBit };
    this.#messages.set(id, JSON.stringify(stored));
    this.#contents.set(id, octets);
    for (const entry of entries) this.#entries.set(entry.id, JSON.stringify(entry));
    if (keep !== undefined) this.#kept.set(id, keep);
  }

  #record(events: readonly string[]): void {
    if (events.length === 0) return;
    this.#sequence += 1;
    this.#outbox.push({ sequence: this.#sequence, lines: `${events.join('\n')}\n` });
  }

  #endUnlessNeeded(message: QueueId): void {
    const hasEntry = [...this.#entries.keys()].some((id) => messageOf(id) === message);
    if (hasEntry || this.#kept.has(message) || (this.#notices.get(message)?.size ?? 0) > 0) return;
    this.#notices.delete(message);
    this.#messages.delete(message);
    this.#contents.delete(message);
  }

  #allEntries(): Entry[] {
    return [...this.#entries.values()].map(decodeEntry);
  }

  #noticesOf(message: QueueId): Notice[] {
    const notices = [...(this.#notices.get(message)?.values() ?? [])].map(decodeNotice);
    return notices.sort((a, b) => a.recipientIndex - b.recipientIndex);
  }
}

interface Paging<T, K> {
  readonly after: K | undefined;
  readonly limit: number;
  readonly keyOf: (row: T) => K;
  readonly compare: (a: K, b: K) => number;
}

function page<T, K>(rows: readonly T[], { after, limit, keyOf, compare }: Paging<T, K>): Page<T, K> {
  checkPage(limit);
  const behind = rows.filter((row) => after === undefined || compare(keyOf(row), after) > 0);
  behind.sort((a, b) => compare(keyOf(a), keyOf(b)));
  const last = behind[limit - 1];
  const next = behind.length > limit && last !== undefined ? keyOf(last) : undefined;
  return { rows: behind.slice(0, limit), next };
}

function isIn(lane: { partition: Partition; queue: QueueName; class: string; lane: Lane }, entry: Entry): boolean {
  return (
    entry.queue === lane.queue &&
    entry.class === lane.class &&
    entry.lane === lane.lane &&
    partitionOf(entry.routingDomain) === lane.partition
  );
}

function agendaKeyOf({ dueAt, queue }: AgendaRow): AgendaKey {
  return { dueAt, queue };
}

function dueKeyOf({ dueAt, id }: Entry): DueKey {
  return { dueAt: Math.floor(dueAt), entry: id };
}

async function contentOctets(content: Buffer | Extract<NewContent, { kind: 'file' }>): Promise<Buffer> {
  if (Buffer.isBuffer(content)) return content;
  const octets = await readFile(content.path);
  await rm(content.path);
  return octets;
}

function decoded<T>(json: string | undefined, decode: (json: string) => T): T | undefined {
  return json === undefined ? undefined : decode(json);
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
