/**
 * The spool: where mail waits, and the only place that may not lose any.
 *
 * Once `accept` resolves the messages are ours: they survive a crash, and every recipient reaches an end
 * that is told (RFC 5321 §6.1). `settle` is the only way an entry changes afterwards. Memory above this
 * line can be thrown away and read back from here, a page at a time.
 *
 * Calls reject with a `SpoolError` only. One `settle` for an entry at a time: the caller waits for it to
 * resolve before it sends another for the same entry.
 */

import { type Instant } from '../lib/time.ts';
import { type Entry, type EntryId, type Lane } from '../mail/entry.ts';
import { type Envelope } from '../mail/envelope.ts';
import { type Notice } from '../mail/notice.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Partition } from '../mail/partition.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type QueueName } from '../mail/queue-name.ts';
import { type Rule } from '../mail/rule.ts';

/** Grows when partitions change hands; a commit under an older one writes nothing. */
export type Epoch = number;

export interface StoredMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly class: PriorityClass;
  readonly acceptedAt: Instant;
  readonly content: ContentRef;
  /** This message is a DSN or another report: nothing is ever reported about it. */
  readonly report: boolean;
  /** The content has octets above 127 in its header section or its body; tells a delivery what it needs of the next hop. */
  readonly eightBit: boolean;
}

/** Opaque to all but the spool that made it. */
export interface ContentRef {
  readonly octets: number;
  readonly file: string | undefined;
}

export type NewContent =
  /** Copied before `accept` returns to the event loop: the caller may write to it again. */
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  /** A finished, fsynced content file in the spool's `incoming` folder (and its directory fsynced); the spool takes it over. */
  | { readonly kind: 'file'; readonly path: string; readonly octets: number };

export interface NewMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly class: PriorityClass;
  readonly acceptedAt: Instant;
  readonly report: boolean;
  readonly eightBit: boolean;
  readonly content: NewContent;
  readonly entries: readonly Entry[];
  /** JSON lines without their line end. */
  readonly events: readonly string[];
  /** The message stays known after its last entry, until it is let go. What the note says is its writer's own affair. */
  readonly keep?: string;
}

/** A message that is kept, and why. */
export interface Kept {
  readonly message: QueueId;
  readonly note: string;
}

export interface Settlement {
  /** Entries that are over. */
  readonly remove: readonly EntryId[];
  /** Entries as they are from now on: moved (same id) or split off (new id). */
  readonly put: readonly Entry[];
  readonly add: readonly NewMessage[];
  readonly notices: readonly Notice[];
  /** Messages whose notices, exactly these recipients', have been told (a DSN is among `add`) or need not be. */
  readonly told: readonly { readonly message: QueueId; readonly recipients: readonly number[] }[];
  readonly rules: { readonly put: readonly Rule[]; readonly remove: readonly string[] };
  /** JSON lines without their line end. */
  readonly events: readonly string[];
  /** Outbox records up to this sequence number are in the log and fsynced there. */
  readonly logged: number | undefined;
  /** Messages that need not be kept any longer; they may be gone. */
  readonly letGo?: readonly QueueId[];
}

/** `stale`: another node took the partition over; nothing was written. */
export type Committed = { readonly kind: 'committed' } | { readonly kind: 'stale'; readonly epoch: Epoch };

export interface Page<T, K> {
  readonly rows: readonly T[];
  /** Pass it as `after` for the next page; absent when there is none. */
  readonly next: K | undefined;
}

/** A queue with its class and lane: what has one window and one order. */
export interface LaneKey {
  readonly partition: Partition;
  readonly queue: QueueName;
  readonly class: PriorityClass;
  readonly lane: Lane;
}

export interface AgendaRow {
  readonly partition: Partition;
  /** Not later than the earliest due time of any entry of the queue outside lane `held`; may be earlier. */
  readonly dueAt: Instant;
  readonly queue: QueueName;
}

export interface AgendaKey {
  readonly dueAt: Instant;
  readonly queue: QueueName;
}

export interface DueKey {
  readonly dueAt: Instant;
  readonly entry: EntryId;
}

export type Content =
  /** A copy that the caller may keep. */
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  /** Readable until `release`. */
  | { readonly kind: 'file'; readonly path: string; readonly octets: number };

/** So many octets from there on, or as many as there are. */
export interface ContentPart {
  readonly at: number;
  readonly octets: number;
}

export interface OutboxRecord {
  readonly sequence: number;
  /** JSON lines, each with its line end. */
  readonly lines: string;
}

export interface SpoolFigures {
  readonly messages: number;
  readonly entries: number;
  /** Disk free plus pages free inside the store. */
  readonly freeOctets: number;
  readonly usedOctets: number;
  /** Of the free octets those inside the store: what the next commits write into. */
  readonly reusableOctets: number;
  /**
   * Commits since the snapshot that the oldest reader looks at, in whatever process: what they have freed cannot be used
   * again while it looks. 0: nobody reads.
   */
  readonly readerLag: number;
}

export interface Spool {
  /** Stores new messages, their entries and first events in one commit with whatever else came in the same tick. */
  accept(batch: readonly NewMessage[], epoch: Epoch): Promise<Committed>;
  /** Removes, moves and splits entries, stores notices, events and new messages: all of it or nothing. */
  settle(batch: Settlement, epoch: Epoch): Promise<Committed>;

  /** Queues of a partition by the time of their earliest entry. Rows found to be too early are mended. */
  agenda(partition: Partition, after: AgendaKey | undefined, limit: number): Promise<Page<AgendaRow, AgendaKey>>;
  /** Entries of one lane by due time. */
  due(lane: LaneKey, after: DueKey | undefined, limit: number): Promise<Page<Entry, DueKey>>;
  entry(id: EntryId): Promise<Entry | undefined>;
  /** All entries of all messages by id: what `queue list` reads. */
  entries(after: EntryId | undefined, limit: number): Promise<Page<Entry, EntryId>>;
  entriesOf(message: QueueId): Promise<readonly Entry[]>;
  message(id: QueueId): Promise<StoredMessage | undefined>;
  /** Undefined when the message is gone. Octets of small content, or the part of them that is wanted; a file of large. */
  content(message: QueueId, part?: ContentPart): Promise<Content | undefined>;
  /** A file that `content` gave is no longer read; it may be unlinked if its message is gone. */
  release(message: QueueId): void;
  /** Notices not yet told, by message. */
  notices(after: QueueId | undefined, limit: number): Promise<Page<readonly [Notice, ...Notice[]], QueueId>>;
  noticesOf(message: QueueId): Promise<readonly Notice[]>;
  /** Messages that are kept, with their notes. */
  kept(after: QueueId | undefined, limit: number): Promise<Page<Kept, QueueId>>;
  rules(): Promise<readonly Rule[]>;
  outbox(after: number, limit: number): Promise<Page<OutboxRecord, number>>;

  figures(): Promise<SpoolFigures>;
  /** Folder for content files that are being written; on the same file system as the spool. */
  readonly incoming: string;
  close(): Promise<void>;
}

/**
 * `full`: the disk is full, nothing was written, the spool goes on. `broken`: the store can no longer be
 * trusted (EIO, a commit that does not settle): stop, and start again.
 */
export class SpoolError extends Error {
  readonly kind: 'full' | 'broken';
  constructor(kind: 'full' | 'broken', message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
