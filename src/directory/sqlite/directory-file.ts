/**
 * The directory's file: its tables, and how it is opened.
 *
 * What is in it is precious, unlike the history: a file that is damaged or of a newer form is refused with a line that
 * says what to do, and never changed.
 */

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { errorText } from '../../lib/error-text.ts';

/** `PRAGMA application_id`: "PRdr". */
const APPLICATION_ID = 0x50_52_64_72;
const FORMAT = 1;
/** Milliseconds that a command waits for the server, or the other way round. */
const PATIENCE = 5000;

const SCHEMA = `
CREATE TABLE tenant (
  name TEXT PRIMARY KEY, suspended INTEGER NOT NULL, limits TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE domain (
  name TEXT PRIMARY KEY, tenant TEXT NOT NULL, changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX domain_tenant ON domain (tenant);
CREATE TABLE credential (
  user TEXT PRIMARY KEY, kind TEXT NOT NULL, tenant TEXT NOT NULL, disabled INTEGER NOT NULL,
  senders TEXT NOT NULL, limits TEXT NOT NULL, hash TEXT NOT NULL, scram TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_tenant ON credential (tenant);
CREATE TABLE signing_key (
  domain TEXT NOT NULL, selector TEXT NOT NULL, algorithm TEXT NOT NULL, private_key TEXT NOT NULL,
  state TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (domain, selector)
) STRICT, WITHOUT ROWID;
CREATE TABLE pepper (one INTEGER PRIMARY KEY CHECK (one = 1), octets BLOB NOT NULL) STRICT;
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${FORMAT};
`;

export type Access = 'write' | 'read';

/** Makes it when there is none. Throws, with what to do, when it cannot be used. */
export function openDirectoryFile(file: string, access: Access): DatabaseSync {
  try {
    if (access === 'write') makePrivate(file);
    const database = new DatabaseSync(file, { readOnly: access === 'read', timeout: PATIENCE });
    try {
      // Before anything is changed: it may be somebody else's.
      if (access === 'read' || hasTables(database)) checkForm(database, file);
      if (access === 'write') prepare(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw new Error(`the directory ${file} cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}

/** SQLite makes its other files with the rights of this one. */
export function makePrivate(file: string): void {
  if (existsSync(file)) return;
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

function prepare(database: DatabaseSync): void {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
  if (numberOf(database, 'user_version') !== 0 || hasTables(database)) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    // Two programs may have found it empty.
    if (!hasTables(database)) {
      database.exec(SCHEMA);
      database.prepare('INSERT INTO pepper VALUES (1, ?)').run(randomBytes(32));
    }
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

function checkForm(database: DatabaseSync, file: string): void {
  if (numberOf(database, 'application_id') !== APPLICATION_ID)
    throw new Error('it is a database of another program; move it away');
  const format = numberOf(database, 'user_version');
  if (format > FORMAT)
    throw new Error(`it has format ${format}, and this version knows ${FORMAT}; run the version that wrote it`);
  if (format < FORMAT) throw new Error(`it has no format; restore ${file} from a backup, or move it away`);
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
}

function numberOf(database: DatabaseSync, pragma: string): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
}

function reasonOf(error: unknown): string {
  const text = errorText(error);
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  // SQLITE_CORRUPT and SQLITE_NOTADB.
  return code === 11 || code === 26 ? `${text}; restore it from a backup, or move it away to begin anew` : text;
}
