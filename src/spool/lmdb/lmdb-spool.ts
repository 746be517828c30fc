/**
 * The spool on LMDB: one environment, opened and written by the thread that calls, large content in files.
 *
 * Reads look at the committed state, a page at a time, each within one tick or in slices of one. Writes go through
 * `commit.ts`. What a reader finds to be wrong (an agenda row too early, a due row without its entry, a record
 * that cannot be read) is mended through a later commit, and nobody waits for that.
 */

import { type Timer, type Timers } from '../../ports/timers.ts';
import { HOUR, SECOND } from '../../lib/time.ts';
import { type Log } from '../../ports/log.ts';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Notice } from '../../mail/notice.ts';
import { type Partition } from '../../mail/partition.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Rule } from '../../mail/rule.ts';
import { checkPage, checkSettlement, MAX_STORED_OCTETS, NOTHING } from '../check.ts';
import { CorruptRecord, decodeEntry, decodeMessage, decodeNotice, decodeRule } from '../codec.ts';
import {
  type AgendaKey,
  type AgendaRow,
  type Committed,
  type Content,
  type ContentPart,
  type DueKey,
  type Kept,
  type Epoch,
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
import { judgeRow } from './agenda.ts';
import { type Committer } from './commit.ts';
import { type ContentFiles } from './content-files.ts';
import { asSpoolError } from './files.ts';
import { type SpoolFolders } from './folder.ts';
import {
  afterWord,
  agendaPrefix,
  agendaSuffix,
  contentKey,
  dueKey,
  dueSuffix,
  entriesPrefix,
  entryKey,
  lanePrefix,
  messageKey,
  noticesPrefix,
  outboxKey,
  parseAgendaKey,
  partitionDigits,
  under,
} from './keys.ts';
import { type PlacedContent, type Planner } from './plan.ts';
import { type SetAside } from './set-aside.ts';
import { type Store } from './store.ts';

/** A reader stopped in a scan makes the file grow by 9 KiB a message until its slot is freed. */
const READER_CHECK = 10 * SECOND;
const SWEEP = HOUR;
/** Rows read in one go before the event loop gets its turn: about a millisecond. */
const SLICE = 128;
/** Fewer records than this are read at once; for more, a hop to another thread brings them into memory first. */
const PREFETCH_FROM = 16;

export interface LmdbSpoolParts {
  readonly folders: SpoolFolders;
  readonly store: Store;
  readonly planner: Planner;
  readonly committer: Committer;
  readonly files: ContentFiles;
  readonly setAside: SetAside;
  readonly log: Log;
  readonly timers: Timers;
  readonly freeOctets: () => Promise<number>;
  readonly onClosed: () => void;
}

export class LmdbSpool implements Spool {
  readonly incoming: string;
  readonly #parts: LmdbSpoolParts;
  readonly #timers = new Map<string, Timer>();
  readonly #work = new Set<Promise<unknown>>();
  #closed = false;

  constructor(parts: LmdbSpoolParts) {
    this.#parts = parts;
    this.incoming = parts.folders.incoming;
    this.#every('readers', READER_CHECK, () => void parts.store.checkReaders());
    this.#every('sweep', SWEEP, () => this.#inBackground(this.sweep('old')));
  }

  accept(batch: readonly NewMessage[], epoch: Epoch): Promise<Committed> {
    return this.settle({ ...NOTHING, add: batch }, epoch);
  }

  async settle(batch: Settlement, epoch: Epoch): Promise<Committed> {
    if (this.#closed) throw new Error('the spool is closed');
    checkSettlement(batch);
    const { committer } = this.#parts;
    const contents = batch.add.map(({ content }) => content);
    if (contents.every(isSmall)) {
      // Copied now: the caller may write to its buffers again once we return.
      const placed = contents.map(({ octets }) => ({ kind: 'octets' as const, octets: committer.copy(octets) }));
      return committer.submit({ kind: 'settle', batch, contents: placed, epoch });
    }
    return this.#settleWithFiles(batch, epoch);
  }

  async agenda(partition: Partition, after: AgendaKey | undefined, limit: number): Promise<Page<AgendaRow, AgendaKey>> {
    checkPage(limit);
    const { store, committer } = this.#parts;
    const behind = after === undefined ? undefined : agendaSuffix(after.dueAt, after.queue);
    const keys = store.keys(under(agendaPrefix(partitionDigits(partition)), behind), limit + 1);
    const rows: AgendaRow[] = [];
    const wrong: string[] = [];
    await inSlices(keys.slice(0, limit), (key) => {
      const verdict = judgeRow(store, key);
      if (verdict !== 'true') wrong.push(key);
      const { dueAt, queue } = parseAgendaKey(key);
      if (verdict !== 'surplus') rows.push({ partition, dueAt, queue });
    });
    if (wrong.length > 0) this.#inBackground(committer.submit({ kind: 'mend', rows: wrong }));
    const last = keys[limit - 1];
    return { rows, next: keys.length > limit && last !== undefined ? parseAgendaKey(last) : undefined };
  }

  async due(lane: LaneKey, after: DueKey | undefined, limit: number): Promise<Page<Entry, DueKey>> {
    checkPage(limit);
    const { store, committer } = this.#parts;
    const behind = after === undefined ? undefined : dueSuffix(after.dueAt, after.entry);
    const prefix = lanePrefix(lane);
    const keys = store.keys(under(prefix, behind), limit + 1);
    const ids = keys.map((key) => entryOf(key));
    await this.#prefetch(ids.slice(0, limit).map(entryKey));
    const rows: Entry[] = [];
    await inSlices(keys.slice(0, limit), (key) => {
      const id = entryOf(key);
      const entry = this.#read(entryKey(id), decodeEntry);
      if (entry !== undefined && dueKey(entry) === key) rows.push(entry);
      // Still there and leading nowhere: what a record that was set aside leaves behind.
      else if (store.has(key)) this.#inBackground(committer.submit({ kind: 'dropDue', row: key, entry: id }));
    });
    const last = keys[limit - 1];
    return { rows, next: keys.length > limit && last !== undefined ? dueKeyIn(last, prefix) : undefined };
  }

  async entry(id: EntryId): Promise<Entry | undefined> {
    return this.#read(entryKey(id), decodeEntry);
  }

  async entries(after: EntryId | undefined, limit: number): Promise<Page<Entry, EntryId>> {
    checkPage(limit);
    const keys = this.#parts.store.keys(under('entry/', after), limit + 1);
    const rows = await this.#readAll(keys.slice(0, limit), decodeEntry);
    // The brand of an id that was checked when it was written.
    const last = keys[limit - 1];
    return { rows, next: keys.length > limit && last !== undefined ? (afterWord(last) as EntryId) : undefined };
  }

  async entriesOf(message: QueueId): Promise<readonly Entry[]> {
    return this.#readUnder(entriesPrefix(message), decodeEntry);
  }

  async message(id: QueueId): Promise<StoredMessage | undefined> {
    return this.#read(messageKey(id), decodeMessage);
  }

  async content(message: QueueId, part?: ContentPart): Promise<Content | undefined> {
    const { store, files } = this.#parts;
    const octets = part === undefined ? store.get(contentKey(message)) : store.part(contentKey(message), part);
    if (octets !== undefined) return { kind: 'octets', octets };
    const ref = this.#read(messageKey(message), decodeMessage)?.content;
    if (ref?.file === undefined) return undefined;
    files.read(message);
    return { kind: 'file', path: files.path(ref.file), octets: ref.octets };
  }

  release(message: QueueId): void {
    this.#inBackground(this.#parts.files.release(message));
  }

  async notices(after: QueueId | undefined, limit: number): Promise<Page<readonly [Notice, ...Notice[]], QueueId>> {
    checkPage(limit);
    const { store } = this.#parts;
    const rows: (readonly [Notice, ...Notice[]])[] = [];
    const { start, end } = under('notice/', after === undefined ? undefined : `${after}/~`);
    let next = store.first({ start, end });
    let last: QueueId | undefined;
    for (let i = 0; i < limit && next !== undefined; i++) {
      last = messageIn(next);
      const [first, ...rest] = await this.#readUnder(noticesPrefix(last), decodeNotice);
      if (first !== undefined) rows.push([first, ...rest]);
      next = store.first({ start: under(noticesPrefix(last)).end, end });
    }
    return { rows, next: next === undefined ? undefined : last };
  }

  async noticesOf(message: QueueId): Promise<readonly Notice[]> {
    return this.#readUnder(noticesPrefix(message), decodeNotice);
  }

  async kept(after: QueueId | undefined, limit: number): Promise<Page<Kept, QueueId>> {
    checkPage(limit);
    const { store } = this.#parts;
    const keys = store.keys(under('keep/', after), limit + 1);
    // The brand of an id that was checked when it was written.
    const rows = keys
      .slice(0, limit)
      .map((key) => ({ message: afterWord(key) as QueueId, note: store.text(key) ?? '' }));
    return { rows, next: keys.length > limit ? rows.at(-1)?.message : undefined };
  }

  async rules(): Promise<readonly Rule[]> {
    return this.#readUnder('rule/', decodeRule);
  }

  async outbox(after: number, limit: number): Promise<Page<OutboxRecord, number>> {
    checkPage(limit);
    const { store } = this.#parts;
    const { end } = under('outbox/');
    const keys = store.keys({ start: outboxKey(Math.max(0, Math.floor(after) + 1)), end }, limit + 1);
    const rows: OutboxRecord[] = [];
    await inSlices(keys.slice(0, limit), (key) => {
      const lines = store.text(key);
      if (lines !== undefined) rows.push({ sequence: Number(afterWord(key)), lines });
    });
    const last = keys[limit - 1];
    return { rows, next: keys.length > limit && last !== undefined ? Number(afterWord(last)) : undefined };
  }

  async figures(): Promise<SpoolFigures> {
    const { store, planner, freeOctets } = this.#parts;
    const { messages, entries, fileOctets } = planner.state;
    const figures = store.figures();
    const { freeOctets: reusableOctets, readerLag } = figures;
    const free = reusableOctets + (await freeOctets());
    const used = figures.usedOctets + fileOctets;
    return { messages, entries, freeOctets: free, usedOctets: used, reusableOctets, readerLag };
  }

  /** Removes content files that no message names; gives their number. */
  async sweep(which: 'all' | 'old'): Promise<number> {
    const { files, store, log } = this.#parts;
    const removed = await files.sweep(which, (id) => store.has(messageKey(id)));
    if (removed > 0) log.info('content files without a message were removed', { files: removed });
    return removed;
  }

  /** Runs `copy` while no content file is unlinked; it is given the store to take a snapshot of. */
  async whileHeld<T>(copy: (store: Store, folders: SpoolFolders) => Promise<T>): Promise<T> {
    const { files, store, folders } = this.#parts;
    files.hold();
    try {
      return await copy(store, folders);
    } finally {
      await files.letGo();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
    await this.#parts.committer.idle();
    await this.#parts.files.idle();
    await this.#parts.store.close();
    this.#parts.onClosed();
  }

  async #settleWithFiles(batch: Settlement, epoch: Epoch): Promise<Committed> {
    const { committer, files } = this.#parts;
    // Copied now, and not into the memory of the next commit: that one may be over before these files are written.
    const copies = batch.add.map(({ content }): NewContent =>
      content.kind === 'octets' ? { kind: 'octets', octets: Buffer.from(content.octets) } : content,
    );
    const settled = this.#place(batch, copies)
      .then((contents) => committer.submit({ kind: 'settle', batch, contents, epoch }))
      .finally(() => {
        for (const { id } of batch.add) files.placed(id);
      });
    return this.#tracked(settled);
  }

  async #place(batch: Settlement, contents: readonly NewContent[]): Promise<PlacedContent[]> {
    const { files, store } = this.#parts;
    // Else the file of the message that has the name would be lost.
    for (const { id } of batch.add)
      if (store.has(messageKey(id))) throw new Error(`message ${id} is added and exists already`);
    const placing = batch.add.map(({ id }, i): Promise<PlacedContent> => {
      const content = contents[i];
      if (content === undefined) throw new Error(`message ${id} has no content`);
      return placeContent(files, id, content);
    });
    // What goes on after the first failure must not outlive the call.
    await Promise.allSettled(placing);
    try {
      return await Promise.all(placing);
    } catch (error) {
      throw asSpoolError(error);
    }
  }

  /** Undefined when there is no such record, or none that can be read. */
  #read<T>(key: string, decode: (json: string) => T): T | undefined {
    const json = this.#parts.store.text(key);
    if (json === undefined) return undefined;
    try {
      return decode(json);
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      this.#parts.setAside(key, error.message);
      return undefined;
    }
  }

  async #readAll<T>(keys: readonly string[], decode: (json: string) => T): Promise<T[]> {
    await this.#prefetch(keys);
    const rows: T[] = [];
    await inSlices(keys, (key) => {
      const row = this.#read(key, decode);
      if (row !== undefined) rows.push(row);
    });
    return rows;
  }

  /** All records with the prefix, a page at a time. */
  async #readUnder<T>(prefix: string, decode: (json: string) => T): Promise<T[]> {
    const rows: T[] = [];
    let after: string | undefined;
    for (;;) {
      const keys = this.#parts.store.keys(under(prefix, after), SLICE);
      rows.push(...(await this.#readAll(keys, decode)));
      if (keys.length < SLICE) return rows;
      after = keys.at(-1)?.slice(prefix.length);
    }
  }

  async #prefetch(keys: readonly string[]): Promise<void> {
    if (keys.length >= PREFETCH_FROM) await this.#parts.store.prefetch(keys);
  }

  /** Mending that nobody waits for, but `close`. That it fails is known by then: the store is full or broken. */
  #inBackground(work: Promise<unknown>): void {
    const { log } = this.#parts;
    void this.#tracked(work).catch((error: unknown) =>
      log.warn('the spool could not be tidied', { why: String(error) }),
    );
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    const done = (): boolean => this.#work.delete(work);
    // The caller hears of a failure through the promise itself.
    work.then(done, done);
    return work;
  }

  #every(name: string, interval: number, act: () => void): void {
    const wake = (): void => {
      if (this.#closed) return;
      act();
      this.#every(name, interval, act);
    };
    this.#timers.set(name, this.#parts.timers.after(interval, wake));
  }
}

function isSmall(content: NewContent): content is Extract<NewContent, { kind: 'octets' }> {
  return content.kind === 'octets' && content.octets.length <= MAX_STORED_OCTETS;
}

async function placeContent(files: ContentFiles, id: QueueId, content: NewContent): Promise<PlacedContent> {
  if (content.kind === 'file')
    return { kind: 'file', file: await files.adopt(id, content.path), octets: content.octets };
  const { octets } = content;
  if (isSmall(content)) return { kind: 'octets', octets: Buffer.from(octets) };
  return { kind: 'file', file: await files.store(id, octets), octets: octets.length };
}

/** The last two parts of a due row's key. */
function entryOf(key: string): EntryId {
  const slash = key.lastIndexOf('/', key.lastIndexOf('/') - 1);
  // The brand of an id that was checked when it was written.
  return key.slice(slash + 1) as EntryId;
}

function dueKeyIn(key: string, prefix: string): DueKey {
  return { dueAt: Number.parseInt(key.slice(prefix.length, key.indexOf('/', prefix.length)), 32), entry: entryOf(key) };
}

function messageIn(noticeKey: string): QueueId {
  const [, message = ''] = noticeKey.split('/');
  return message as QueueId;
}

async function inSlices<T>(items: readonly T[], each: (item: T) => void): Promise<void> {
  for (const [i, item] of items.entries()) {
    if (i > 0 && i % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    each(item);
  }
}
