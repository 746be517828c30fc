/**
 * What keeps a message: its entries, its notices, and a `keep` record.
 *
 * For each message that a commit touches, the references that are known: from disk, from the memory of the
 * latest messages, and from what the commit itself changes. A small message that was accepted a moment ago is
 * known whole, so that its end needs no read at all. After a failed commit all of it is forgotten.
 */

import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { CorruptRecord, decodeEntry, decodeMessage } from '../codec.ts';
import { type ContentRef } from '../spool.ts';
import { afterWord, dueKey, entriesPrefix, entryKey, keepKey, messageKey, noticesPrefix, under } from './keys.ts';
import { Recent } from './recent.ts';
import { type Store } from './store.ts';

// Some 600 octets each, and up to twice as many.
const REMEMBERED_MESSAGES = 4096;
// A message with more is read from disk when it is needed: the memory stays bounded.
const REMEMBERED_REFERENCES = 16;
const SCAN = 64;

const NO_DUE = '';
const NO_CONTENT: ContentRef = { octets: 0, file: undefined };

export class References {
  readonly content: ContentRef;
  /** The message has a record; one that was set aside has none. */
  readonly isRecorded: boolean;
  /** Every reference is in the maps below. */
  readonly #whole: boolean;
  /** Due key of each entry that is known; `undefined` when it is gone. */
  readonly #entries = new Map<EntryId, string | undefined>();
  /** By key. Few messages have any, and a map is most of what is remembered of one that has none. */
  #notices: Map<string, 'here' | 'gone'> | undefined;
  /** Undefined: nothing was said of it; what is whole has none then. */
  #keep: 'here' | 'gone' | undefined;
  readonly #id: QueueId;

  constructor(id: QueueId, content: ContentRef | undefined, known: 'whole' | 'partly') {
    this.#id = id;
    this.content = content ?? NO_CONTENT;
    this.isRecorded = content !== undefined;
    this.#whole = known === 'whole';
  }

  get size(): number {
    return this.#entries.size + (this.#notices?.size ?? 0);
  }

  /** The entry's due key; `''` when its record cannot be read; `undefined` when there is no such entry. */
  dueKeyOf(id: EntryId, store: Store): string | undefined {
    if (this.#whole || this.#entries.has(id)) return this.#entries.get(id);
    const json = store.text(entryKey(id));
    const key = json === undefined ? undefined : dueKeyIn(json);
    this.#entries.set(id, key);
    return key;
  }

  setEntry(id: EntryId, due: string | undefined): void {
    this.#entries.set(id, due);
  }

  setNotice(key: string, state: 'here' | 'gone'): void {
    this.#notices ??= new Map();
    this.#notices.set(key, state);
  }

  setKeep(state: 'here' | 'gone'): void {
    this.#keep = state;
  }

  /** Whether anything still needs the message after the changes so far. Reads no more keys than were removed, and one. */
  alive(store: Store): boolean {
    for (const due of this.#entries.values()) if (due !== undefined) return true;
    for (const state of this.#notices?.values() ?? []) if (state === 'here') return true;
    if (this.#keep === 'here') return true;
    if (this.#whole) return false;
    return (
      (this.#keep === undefined && store.has(keepKey(this.#id))) ||
      anyKey(store, entriesPrefix(this.#id), (key) => !this.#entries.has(afterWord(key) as EntryId)) ||
      anyKey(store, noticesPrefix(this.#id), (key) => this.#notices?.has(key) !== true)
    );
  }
}

export class KnownMessages {
  readonly #store: Store;
  readonly #recent = new Recent<QueueId, References>(REMEMBERED_MESSAGES);

  constructor(store: Store) {
    this.#store = store;
  }

  exists(id: QueueId): boolean {
    return this.#recent.get(id) !== undefined || this.#store.has(messageKey(id));
  }

  /** Undefined when there is no such message. A message whose record cannot be read has references all the same. */
  find(id: QueueId): References | undefined {
    const known = this.#recent.get(id);
    if (known !== undefined) return known;
    const json = this.#store.text(messageKey(id));
    if (json === undefined && this.#store.first(under(entriesPrefix(id))) === undefined) return undefined;
    const found = new References(id, json === undefined ? undefined : contentIn(json), 'partly');
    this.#recent.set(id, found);
    return found;
  }

  add(id: QueueId, content: ContentRef, entries: readonly Entry[]): void {
    const references = new References(id, content, 'whole');
    for (const entry of entries) references.setEntry(entry.id, dueKey(entry));
    this.#recent.set(id, references);
  }

  drop(id: QueueId): void {
    this.#recent.delete(id);
  }

  /** After a commit: what has grown too large to remember is read again when it is needed. */
  trim(touched: Iterable<QueueId>): void {
    for (const id of touched) if ((this.#recent.get(id)?.size ?? 0) > REMEMBERED_REFERENCES) this.#recent.delete(id);
  }

  forget(): void {
    this.#recent.clear();
  }
}

function contentIn(json: string): ContentRef {
  try {
    return decodeMessage(json).content;
  } catch (error) {
    // Its content file, if there is one, becomes an orphan and is swept.
    if (error instanceof CorruptRecord) return NO_CONTENT;
    throw error;
  }
}

function dueKeyIn(json: string): string {
  try {
    return dueKey(decodeEntry(json));
  } catch (error) {
    // Its due row leads to no entry then and is mended by the next reader.
    if (error instanceof CorruptRecord) return NO_DUE;
    throw error;
  }
}

function anyKey(store: Store, prefix: string, test: (key: string) => boolean): boolean {
  let range = under(prefix);
  for (;;) {
    const keys = store.keys(range, SCAN);
    if (keys.some(test)) return true;
    const last = keys.at(-1);
    if (last === undefined || keys.length < SCAN) return false;
    range = { start: under(last, '').start, end: range.end };
  }
}
