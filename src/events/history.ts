/**
 * History: the event log made searchable, in one SQLite file.
 *
 * Everything in it can be built again from the log, so nothing in it is precious: a file of another schema
 * version, or a damaged one, is thrown away and filled anew. Lines and the position behind them are stored in
 * one transaction; a line that stands in the log twice is kept once.
 *
 * All calls block: for a thread of its own. Words from outside reach SQL only as parameters.
 */

import { rmSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { type Instant } from '../lib/time.ts';
import { type Event, type EventKind } from './event.ts';
import { parseEvent } from './format.ts';
import { type LogLine, type LogPosition } from './log-reader.ts';

export interface EventSearch {
  /** An address, or `@example.com` for all of a domain; `<>` is the null reverse-path. Case does not matter. */
  readonly sender?: string;
  readonly recipient?: string;
  readonly kind?: EventKind;
  /** Not before. */
  readonly since?: Instant;
  /** Before. */
  readonly until?: Instant;
  /** At most 1,000. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: number;
}

export interface EventPage {
  /** Newest first. */
  readonly events: readonly Event[];
  readonly next: number | undefined;
}

export interface Ingested {
  readonly stored: number;
  /** Lines that are no events: damage, or a newer version's. */
  readonly unreadable: number;
}

/** Another shape of the tables needs another number: the file is then built anew. */
const SCHEMA_VERSION = 1;
const MAX_PAGE = 1000;
const MAX_STORY = 10_000;
/** Recipients of one event that can be searched for. */
const MAX_INDEXED = 1000;

const SCHEMA = `
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  about TEXT NOT NULL,
  sender TEXT,
  sender_domain TEXT,
  line TEXT NOT NULL,
  sequence INTEGER,
  n INTEGER NOT NULL,
  UNIQUE (sequence, n, at)
) STRICT;
CREATE INDEX event_queue_id ON event (queue_id) WHERE queue_id <> '';
CREATE INDEX event_about ON event (about) WHERE about <> '';
CREATE INDEX event_kind ON event (kind);
CREATE INDEX event_at ON event (at);
CREATE INDEX event_sender ON event (sender);
CREATE INDEX event_sender_domain ON event (sender_domain);
CREATE TABLE recipient (
  address TEXT NOT NULL,
  domain TEXT NOT NULL,
  event INTEGER NOT NULL REFERENCES event (id) ON DELETE CASCADE,
  PRIMARY KEY (address, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_domain ON recipient (domain, event);
CREATE INDEX recipient_event ON recipient (event);
CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), segment TEXT NOT NULL, offset INTEGER NOT NULL) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Opens the file, or builds an empty one in place of one that is damaged or of another version. */
export function openHistory(file: string): History {
  const found = openIfSound(file);
  return found === undefined ? rebuildHistory(file) : new History(found, 'kept');
}

/** An empty history in place of what is there. */
export function rebuildHistory(file: string): History {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  const database = connect(file);
  database.exec(SCHEMA);
  return new History(database, 'new');
}

export class History {
  readonly #database: DatabaseSync;
  readonly #insertEvent;
  readonly #insertRecipient;
  readonly #setPosition;
  /** `new`: it must be filled from the beginning of the log. */
  readonly state: 'kept' | 'new';

  constructor(database: DatabaseSync, state: 'kept' | 'new') {
    this.#database = database;
    this.state = state;
    this.#insertEvent = database.prepare(
      `INSERT INTO event (at, kind, queue_id, about, sender, sender_domain, line, sequence, n)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#insertRecipient = database.prepare(
      'INSERT INTO recipient (address, domain, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#setPosition = database.prepare(
      `INSERT INTO position (one, segment, offset) VALUES (1, ?, ?)
       ON CONFLICT (one) DO UPDATE SET segment = excluded.segment, offset = excluded.offset`,
    );
  }

  /** Stores the lines and the position behind them: both or, if it throws, nothing. */
  ingest(lines: readonly LogLine[], position: LogPosition): Ingested {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const results = lines.map((line) => this.#store(line));
      this.#setPosition.run(position.segment, position.offset);
      this.#database.exec('COMMIT');
      return {
        stored: results.filter((result) => result === 'stored').length,
        unreadable: results.filter((result) => result === 'unreadable').length,
      };
    } catch (error) {
      // Some failures have ended the transaction themselves.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Behind the last line that was stored. */
  position(): LogPosition | undefined {
    const row = this.#database.prepare('SELECT segment, offset FROM position').get();
    return row === undefined ? undefined : { segment: String(row['segment']), offset: Number(row['offset']) };
  }

  /** All that happened to a message, DSNs about it included, oldest first. */
  story(queueId: string): readonly Event[] {
    if (queueId === '') return [];
    const rows = this.#database
      .prepare(
        `SELECT id, line FROM event WHERE queue_id = ?1 AND queue_id <> ''
         UNION SELECT id, line FROM event WHERE about = ?1 AND about <> '' ORDER BY id LIMIT ${MAX_STORY}`,
      )
      .all(queueId);
    return rows.flatMap((row) => eventOf(String(row['line'])));
  }

  search(wanted: EventSearch): EventPage {
    const limit = Math.max(1, Math.min(MAX_PAGE, Math.trunc(wanted.limit ?? 100) || 1));
    const { conditions, values } = conditionsOf(wanted);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const rows = this.#database
      .prepare(`SELECT id, line FROM event ${where} ORDER BY id DESC LIMIT ${limit + 1}`)
      .all(...values);
    const page = rows.slice(0, limit);
    return {
      events: page.flatMap((row) => eventOf(String(row['line']))),
      next: rows.length > limit ? Number(page.at(-1)?.['id']) : undefined,
    };
  }

  /** Removes at most `limit` events from before that time; answers how many it was. */
  forget(before: Instant, limit: number): number {
    const removed = this.#database
      .prepare('DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < ? ORDER BY at LIMIT ?)')
      .run(before, limit);
    return Number(removed.changes);
  }

  close(): void {
    this.#database.close();
  }

  #store({ line, sequence, n }: LogLine): 'stored' | 'repeated' | 'unreadable' {
    const event = parseEvent(line);
    if (!event.ok || !Number.isSafeInteger(event.value.at)) return 'unreadable';
    const { at, kind } = event.value;
    const sender = 'sender' in event.value ? event.value.sender : undefined;
    const { changes, lastInsertRowid } = this.#insertEvent.run(
      at,
      kind,
      'queueId' in event.value ? event.value.queueId : '',
      event.value.kind === 'dsn' ? event.value.about : '',
      sender === undefined ? null : folded(sender),
      sender === undefined ? null : domainOf(sender),
      line,
      sequence ?? null,
      n,
    );
    if (changes === 0) return 'repeated';
    for (const recipient of recipientsOf(event.value))
      this.#insertRecipient.run(folded(recipient), domainOf(recipient), lastInsertRowid);
    return 'stored';
  }
}

function openIfSound(file: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = connect(file);
    const version = database.prepare('PRAGMA user_version').get()?.['user_version'];
    if (version === SCHEMA_VERSION) return database;
  } catch (error) {
    // Another error (no permission, no space) would meet the new file too, and is the caller's to tell.
    if (!isDamage(error)) throw error;
  }
  database?.close();
  return undefined;
}

/** The file is no database, or a damaged one (SQLITE_CORRUPT, SQLITE_NOTADB). */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === 11 || code === 26;
}

function connect(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: true, timeout: 5000 });
  // After a power cut the last transactions may be missing, their position with them: they are read again.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  return database;
}

function conditionsOf(wanted: EventSearch): {
  readonly conditions: readonly string[];
  readonly values: SQLInputValue[];
} {
  const all: readonly (readonly [string, SQLInputValue | undefined])[] = [
    ['id < ?', wanted.after],
    ['at >= ?', wanted.since],
    ['at < ?', wanted.until],
    ['kind = ?', wanted.kind],
    addressCondition(wanted.sender, 'sender = ?', 'sender_domain = ?'),
    addressCondition(
      wanted.recipient,
      'id IN (SELECT event FROM recipient WHERE address = ?)',
      'id IN (SELECT event FROM recipient WHERE domain = ?)',
    ),
  ];
  const given = all.filter(([, value]) => value !== undefined);
  return { conditions: given.map(([condition]) => condition), values: given.flatMap(([, value]) => value ?? []) };
}

function addressCondition(
  address: string | undefined,
  exact: string,
  ofDomain: string,
): readonly [string, string | undefined] {
  if (address === undefined) return [exact, undefined];
  if (address === '<>') return [exact, ''];
  return address.startsWith('@') ? [ofDomain, folded(address.slice(1))] : [exact, folded(address)];
}

function recipientsOf(event: Event): readonly string[] {
  if ('recipients' in event) return event.recipients.slice(0, MAX_INDEXED);
  return event.kind === 'rejected' && event.recipient !== undefined ? [event.recipient] : [];
}

function eventOf(line: string): readonly Event[] {
  const event = parseEvent(line);
  return event.ok ? [event.value] : [];
}

function folded(address: string): string {
  return address.toLowerCase();
}

function domainOf(address: string): string {
  return folded(address.slice(address.lastIndexOf('@') + 1));
}
