/**
 * The file of the history: its tables, and how it is opened.
 *
 * Everything in it can be built again from the log, so nothing in it is precious: a file of another version, or a
 * damaged one, is thrown away.
 *
 * Events lie in blocks: some hundred that came one after another, one line of text each. An event's id is the id of
 * the first of its block plus its place there. `posting` says in which blocks of an era a term occurs: numbers of 64
 * bits, each a term and the offset of a block, sorted, some hundred to a row. `era` goes up to `ending`, without it.
 */

import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Another shape of the tables, or of what is in them, needs another number: the file is then built anew. */
const SCHEMA_VERSION = 2;

const SCHEMA = `
CREATE TABLE block (
  first INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  earliest INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  lowest INTEGER,
  highest INTEGER,
  lines ANY NOT NULL
) STRICT;
CREATE INDEX block_earliest ON block (earliest);
CREATE INDEX block_latest ON block (latest, earliest, lowest, highest);
CREATE TABLE era (
  first INTEGER PRIMARY KEY,
  ending INTEGER NOT NULL,
  earliest INTEGER NOT NULL,
  latest INTEGER NOT NULL
) STRICT;
CREATE TABLE posting (era INTEGER NOT NULL, highest INTEGER NOT NULL, pairs BLOB NOT NULL) STRICT;
CREATE INDEX posting_highest ON posting (era, highest);
CREATE TABLE position (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  segment TEXT NOT NULL,
  offset INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  n INTEGER NOT NULL
) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Undefined when there is none, or it is damaged or of another version. */
export function openIfSound(file: string): DatabaseSync | undefined {
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

/** An empty one in place of what is there. */
export function createAnew(file: string): DatabaseSync {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  const database = connect(file);
  database.exec(SCHEMA);
  return database;
}

/** The file is no database, or a damaged one (SQLITE_CORRUPT, SQLITE_NOTADB, a block that does not unpack). */
export function isDamage(error: unknown): boolean {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ZSTD_')) return true;
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === 11 || code === 26;
}

/** Does all of the work or, if it throws, nothing. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // Some failures have ended the transaction themselves.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function connect(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5000 });
  // After a power cut the last transactions may be missing, their position with them: they are read again.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  return database;
}
