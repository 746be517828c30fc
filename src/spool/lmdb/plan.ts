/**
 * Turns the calls of one group commit into puts and removals.
 *
 * Each call is first looked at, and refused without a trace when it does not fit the spool; only then are its
 * changes planned, which cannot fail. So a wrong call costs nobody else. All that is read is the state after the
 * commit before this one, since commits come one at a time, and what this plan changes before.
 */

import { type Entry, type EntryId, messageOf } from '../../mail/entry.ts';
import { type Notice } from '../../mail/notice.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import {
  type Committed,
  type ContentRef,
  type Epoch,
  type NewMessage,
  type Settlement,
  type StoredMessage,
} from '../spool.ts';
import { Agenda } from './agenda.ts';
import { type Arena } from './arena.ts';
import {
  afterWord,
  contentKey,
  dueKey,
  entryKey,
  keepKey,
  messageKey,
  noticeKey,
  outboxKey,
  ruleKey,
  STATE_KEY,
  under,
} from './keys.ts';
import { KnownMessages } from './references.ts';
import { encodeState, type SpoolState } from './state.ts';
import { type Store, Writes } from './store.ts';

/** Where the content of a new message is: octets to store, or the name of a file that is in its place. */
export type PlacedContent =
  | { readonly kind: 'octets'; readonly octets: Buffer }
  | { readonly kind: 'file'; readonly file: string; readonly octets: number };

export type Change =
  | {
      readonly kind: 'settle';
      readonly batch: Settlement;
      /** For the messages of `batch.add`, in their order. */
      readonly contents: readonly PlacedContent[];
      readonly epoch: Epoch;
    }
  /** Agenda rows that a reader found to be too early or too many. */
  | { readonly kind: 'mend'; readonly rows: readonly string[] }
  /** A record that was set aside, if it is still what was seen. */
  | { readonly kind: 'drop'; readonly key: string; readonly seen: Buffer }
  /** A due row that leads nowhere, if it still does. */
  | { readonly kind: 'dropDue'; readonly row: string; readonly entry: EntryId };

export type Verdict = Committed | { readonly kind: 'refused'; readonly error: unknown };

/** Where the spool stands between two commits. */
interface Standing {
  readonly state: SpoolState;
  /** The oldest outbox record that may exist. */
  readonly oldestOutbox: number;
  /** Outbox records up to this one may go. */
  readonly logged: number;
}

export interface Plan {
  readonly writes: Writes;
  /** For each change, in order. */
  readonly verdicts: readonly Verdict[];
  readonly standing: Standing;
  /** Messages whose references were looked at or changed. */
  readonly touched: ReadonlySet<QueueId>;
  /** Content files of messages that end with this commit. */
  readonly files: readonly { readonly message: QueueId; readonly file: string }[];
}

const COMMITTED: Committed = { kind: 'committed' };
/** Outbox records removed by one commit; what a log far behind has left is removed by the next ones. */
const MAX_LOGGED = 2000;

interface Draft {
  readonly writes: Writes;
  readonly arena: Arena;
  readonly events: string[];
  readonly touched: Set<QueueId>;
  readonly state: { -readonly [K in keyof SpoolState]: SpoolState[K] };
  logged: number;
}

export class Planner {
  readonly #store: Store;
  readonly #messages: KnownMessages;
  readonly #agenda: Agenda;
  #standing: Standing;

  constructor(store: Store, state: SpoolState) {
    this.#store = store;
    this.#messages = new KnownMessages(store);
    this.#agenda = new Agenda(store);
    const first = store.first(under('outbox/'));
    const oldestOutbox = first === undefined ? state.sequence + 1 : Number(afterWord(first));
    this.#standing = { state, oldestOutbox, logged: 0 };
  }

  get state(): SpoolState {
    return this.#standing.state;
  }

  plan(changes: readonly Change[], arena: Arena): Plan {
    this.#store.refresh();
    const draft: Draft = {
      writes: new Writes(),
      arena,
      events: [],
      touched: new Set(),
      state: { ...this.#standing.state },
      logged: this.#standing.logged,
    };
    // Mending looks at the committed state alone and so comes first: what is put in the same commit stays.
    for (const change of changes) this.#mend(change, draft);
    const verdicts = changes.map((change) => this.#change(change, draft));
    const files = this.#endMessages(draft);
    const standing = this.#finish(draft);
    return { writes: draft.writes, verdicts, standing, touched: draft.touched, files };
  }

  /** The plan is on disk. */
  adopt({ standing, touched }: Plan): void {
    this.#standing = standing;
    this.#messages.trim(touched);
  }

  /** The plan came to nothing: whatever was remembered while making it is wrong. */
  forget(): void {
    this.#messages.forget();
    this.#agenda.forget();
  }

  #mend(change: Change, draft: Draft): void {
    if (change.kind === 'mend') for (const row of change.rows) this.#agenda.mend(row, draft.writes);
    if (change.kind === 'drop') this.#drop(change.key, change.seen, draft);
    if (change.kind === 'dropDue' && this.#dueKeyOf(change.entry) !== change.row) draft.writes.remove(change.row);
  }

  #drop(key: string, seen: Buffer, { writes, state }: Draft): void {
    if (this.#store.get(key)?.equals(seen) !== true) return;
    writes.remove(key);
    if (key.startsWith('entry/')) state.entries -= 1;
    if (key.startsWith('message/')) state.messages -= 1;
    // Read anew when it is needed: what was known of its message is no longer so.
    this.#messages.drop(messageOf(`${afterWord(key)}/0`));
  }

  #change(change: Change, draft: Draft): Verdict {
    if (change.kind !== 'settle') return COMMITTED;
    if (change.epoch < draft.state.epoch) return { kind: 'stale', epoch: draft.state.epoch };
    try {
      this.#check(change.batch);
    } catch (error) {
      // A bug of this one caller: its promise rejects, the others' calls go on.
      return { kind: 'refused', error };
    }
    draft.state.epoch = change.epoch;
    this.#apply(change.batch, change.contents, draft);
    return COMMITTED;
  }

  #check({ remove, put, add, notices }: Settlement): void {
    for (const id of remove)
      if (this.#dueKeyOf(id) === undefined) throw new Error(`entry ${id} is to be removed and does not exist`);
    for (const { id, message } of put)
      if (this.#messages.find(message) === undefined)
        throw new Error(`entry ${id} is put and its message does not exist`);
    for (const { id } of add)
      if (this.#messages.exists(id)) throw new Error(`message ${id} is added and exists already`);
    for (const { message } of notices)
      if (this.#messages.find(message) === undefined)
        throw new Error(`a notice is stored for message ${message}, which does not exist`);
  }

  #apply(batch: Settlement, contents: readonly PlacedContent[], draft: Draft): void {
    const { writes, arena } = draft;
    for (const id of batch.remove) this.#removeEntry(id, draft);
    for (const entry of batch.put) this.#putEntry(entry, draft);
    for (const notice of batch.notices) this.#putNotice(notice, draft);
    for (const { message, recipients } of batch.told) this.#tell(message, recipients, draft);
    for (const [i, message] of batch.add.entries()) this.#addMessage(message, contents[i], draft);
    for (const id of batch.letGo ?? []) this.#letGo(id, draft);
    for (const rule of batch.rules.put) writes.put(ruleKey(rule.id), arena.text(JSON.stringify(rule)));
    for (const id of batch.rules.remove) writes.remove(ruleKey(id));
    for (const event of batch.events) draft.events.push(event);
    // What is still to be written cannot be in the log yet.
    const logged = Math.min(batch.logged ?? 0, this.#standing.state.sequence);
    draft.logged = Math.max(draft.logged, logged);
  }

  #removeEntry(id: EntryId, { writes, touched, state }: Draft): void {
    const message = messageOf(id);
    const references = this.#messages.find(message);
    const due = references?.dueKeyOf(id, this.#store);
    if (references === undefined || due === undefined) return;
    writes.remove(entryKey(id));
    if (due !== '') writes.remove(due);
    references.setEntry(id, undefined);
    touched.add(message);
    state.entries -= 1;
  }

  #putEntry(entry: Entry, { writes, arena, touched, state }: Draft): void {
    const references = this.#messages.find(entry.message);
    const before = references?.dueKeyOf(entry.id, this.#store);
    const due = dueKey(entry);
    writes.put(entryKey(entry.id), arena.text(JSON.stringify(entry)));
    touched.add(entry.message);
    if (before === undefined) state.entries += 1;
    if (before === due) return;
    if (before !== undefined && before !== '') writes.remove(before);
    writes.mark(due);
    references?.setEntry(entry.id, due);
    this.#agenda.cover(entry, writes);
  }

  #putNotice(notice: Notice, { writes, arena, touched }: Draft): void {
    const key = noticeKey(notice.message, notice.recipientIndex);
    writes.put(key, arena.text(JSON.stringify(notice)));
    this.#messages.find(notice.message)?.setNotice(key, 'here');
    touched.add(notice.message);
  }

  #tell(message: QueueId, recipients: readonly number[], { writes, touched }: Draft): void {
    const references = this.#messages.find(message);
    // Told twice, as may happen around a crash, is told.
    if (references === undefined) return;
    for (const recipient of recipients) {
      const key = noticeKey(message, recipient);
      writes.remove(key);
      references.setNotice(key, 'gone');
    }
    touched.add(message);
  }

  #letGo(id: QueueId, { writes, touched }: Draft): void {
    writes.remove(keepKey(id));
    this.#messages.find(id)?.setKeep('gone');
    touched.add(id);
  }

  #addMessage(message: NewMessage, content: PlacedContent | undefined, draft: Draft): void {
    const { writes, arena, events, state } = draft;
    if (content === undefined) throw new Error(`the content of message ${message.id} has no place`);
    const ref = contentRef(content);
    writes.put(messageKey(message.id), arena.text(encodeMessage(message, ref)));
    if (content.kind === 'octets') writes.put(contentKey(message.id), content.octets);
    else state.fileOctets += content.octets;
    this.#messages.add(message.id, ref, message.entries);
    if (message.keep !== undefined) this.#keep(message.id, message.keep, draft);
    // Looked at again after the commit: a message of many entries is not kept in memory.
    if (message.entries.length > 1) draft.touched.add(message.id);
    for (const entry of message.entries) {
      writes.put(entryKey(entry.id), arena.text(JSON.stringify(entry)));
      writes.mark(dueKey(entry));
      this.#agenda.cover(entry, writes);
    }
    for (const event of message.events) events.push(event);
    state.messages += 1;
    state.entries += message.entries.length;
  }

  #keep(id: QueueId, note: string, { writes, arena }: Draft): void {
    writes.put(keepKey(id), arena.text(note));
    this.#messages.find(id)?.setKeep('here');
  }

  /** Removes the messages that nothing needs any more, with their content. */
  #endMessages({ writes, touched, state }: Draft): { message: QueueId; file: string }[] {
    const files: { message: QueueId; file: string }[] = [];
    for (const id of touched) {
      const references = this.#messages.find(id);
      if (references === undefined || references.alive(this.#store)) continue;
      const { octets, file } = references.content;
      writes.remove(messageKey(id));
      if (file === undefined) writes.remove(contentKey(id));
      else {
        files.push({ message: id, file });
        state.fileOctets -= octets;
      }
      this.#messages.drop(id);
      if (references.isRecorded) state.messages -= 1;
    }
    return files;
  }

  /** The outbox record of this commit, the end of those that are logged, and the state. */
  #finish({ writes, arena, events, state, logged }: Draft): Standing {
    const { oldestOutbox, state: before } = this.#standing;
    const last = Math.min(logged, oldestOutbox + MAX_LOGGED - 1);
    for (let sequence = oldestOutbox; sequence <= last; sequence++) writes.remove(outboxKey(sequence));
    if (events.length > 0) {
      state.sequence += 1;
      writes.put(outboxKey(state.sequence), arena.text(`${events.join('\n')}\n`));
    }
    if (writes.keys.length > 0 || state.epoch !== before.epoch) writes.put(STATE_KEY, arena.text(encodeState(state)));
    return { state, oldestOutbox: Math.max(oldestOutbox, last + 1), logged };
  }

  #dueKeyOf(id: EntryId): string | undefined {
    return this.#messages.find(messageOf(id))?.dueKeyOf(id, this.#store);
  }
}

function contentRef(content: PlacedContent): ContentRef {
  return content.kind === 'octets'
    ? { octets: content.octets.length, file: undefined }
    : { octets: content.octets, file: content.file };
}

function encodeMessage(
  { id, envelope, class: priority, acceptedAt, report, eightBit }: NewMessage,
  content: ContentRef,
): string {
  const stored: StoredMessage = { id, envelope, class: priority, acceptedAt, content, report, eightBit };
  return JSON.stringify(stored);
}
