/**
 * The directory in SQLite. One thread writes; others read through connections and bounded caches of their own, which
 * `refresh` empties after a change, so that no message waits for a query but the first of its kind.
 */

import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { type DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { Lru } from '../../lib/lru.ts';
import { type Domain } from '../../mail/domain.ts';
import {
  type CredentialRecord,
  type DirectoryStore,
  type DomainRecord,
  type SigningKeyRecord,
  type TenantRecord,
} from '../directory.ts';
import { type Access, makePrivate, openDirectoryFile } from './directory-file.ts';
import {
  credentialOf,
  credentialRow,
  domainOf,
  domainRow,
  keyOf,
  keyRow,
  tenantOf,
  tenantRow,
} from './directory-rows.ts';

type Row = Record<string, SQLOutputValue>;
type Value = string | number | null;

/** Of each kind: a client that makes up names must not fill memory. */
const REMEMBERED = 10_000;

export function openSqliteDirectory(file: string, access: Access): DirectoryStore {
  return new SqliteDirectory(openDirectoryFile(file, access));
}

/** A copy as of one moment, for its owner only and on disk; nothing when there is no directory yet. */
export function backupDirectory(file: string, target: string): void {
  if (!existsSync(file)) return;
  const database = openDirectoryFile(file, 'write');
  try {
    // SQLite takes an empty file for none.
    makePrivate(target);
    database.prepare('VACUUM INTO ?').run(target);
  } finally {
    database.close();
  }
  const copy = openSync(target, 'r+');
  fsyncSync(copy);
  closeSync(copy);
}

/** What does not belong together, one line for each. */
export function checkDirectory(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  const database = openDirectoryFile(file, 'read');
  try {
    const rows = database.prepare('PRAGMA integrity_check(20)').all() as Row[];
    return rows
      .map((row) => String(Object.values(row)[0]))
      .flatMap((line) => (line === 'ok' ? [] : [`directory: ${line}`]));
  } finally {
    database.close();
  }
}

class SqliteDirectory implements DirectoryStore {
  readonly pepper: Uint8Array;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #known = {
    credential: new Lru<string, { readonly record: CredentialRecord | undefined }>(REMEMBERED),
    tenant: new Lru<string, { readonly record: TenantRecord | undefined }>(REMEMBERED),
    domain: new Lru<string, { readonly record: DomainRecord | undefined }>(REMEMBERED),
    domains: new Lru<string, { readonly record: readonly Domain[] }>(REMEMBERED),
    keys: new Lru<string, { readonly record: readonly SigningKeyRecord[] }>(REMEMBERED),
  };

  constructor(database: DatabaseSync) {
    this.#database = database;
    const row = this.#one('SELECT octets FROM pepper');
    if (!(row?.['octets'] instanceof Uint8Array))
      throw new Error('the directory has lost its pepper: restore a backup');
    this.pepper = row['octets'];
  }

  credential(user: string): CredentialRecord | undefined {
    return remembered(this.#known.credential, user, () => {
      const row = this.#one('SELECT * FROM credential WHERE user = ?', user);
      return row && credentialOf(row);
    });
  }

  tenant(name: string): TenantRecord | undefined {
    return remembered(this.#known.tenant, name, () => {
      const row = this.#one('SELECT * FROM tenant WHERE name = ?', name);
      return row && tenantOf(row);
    });
  }

  domain(name: Domain): DomainRecord | undefined {
    return remembered(this.#known.domain, name, () => {
      const row = this.#one('SELECT * FROM domain WHERE name = ?', name);
      return row && domainOf(row);
    });
  }

  domainsOf(tenant: string): readonly Domain[] {
    return remembered(this.#known.domains, tenant, () =>
      this.#all('SELECT * FROM domain WHERE tenant = ? ORDER BY name', tenant).map((row) => domainOf(row).name),
    );
  }

  signingKeys(domain: Domain): readonly SigningKeyRecord[] {
    return remembered(this.#known.keys, domain, () => this.keys(domain).filter(({ state }) => state === 'signing'));
  }

  get signs(): boolean {
    return this.#one(`SELECT 1 FROM signing_key WHERE state = 'signing' LIMIT 1`) !== undefined;
  }

  tenants(): readonly TenantRecord[] {
    return this.#all('SELECT * FROM tenant ORDER BY name').map(tenantOf);
  }

  domains(): readonly DomainRecord[] {
    return this.#all('SELECT * FROM domain ORDER BY name').map(domainOf);
  }

  credentials(): readonly CredentialRecord[] {
    return this.#all('SELECT * FROM credential ORDER BY user').map(credentialOf);
  }

  keys(domain?: Domain): readonly SigningKeyRecord[] {
    const rows =
      domain === undefined
        ? this.#all('SELECT * FROM signing_key ORDER BY domain, since, selector')
        : this.#all('SELECT * FROM signing_key WHERE domain = ? ORDER BY since, selector', domain);
    return rows.map(keyOf);
  }

  putTenant(tenant: TenantRecord): void {
    this.#put('tenant', tenantRow(tenant));
  }

  putDomain(domain: DomainRecord): void {
    this.#put('domain', domainRow(domain));
  }

  putCredential(credential: CredentialRecord): void {
    this.#put('credential', credentialRow(credential));
  }

  putKeys(keys: readonly SigningKeyRecord[]): void {
    this.#atOnce(() => {
      for (const key of keys) this.#put('signing_key', keyRow(key));
    });
  }

  removeTenant(name: string): boolean {
    return this.#atOnce(() => {
      this.#run('DELETE FROM signing_key WHERE domain IN (SELECT name FROM domain WHERE tenant = ?)', name);
      this.#run('DELETE FROM domain WHERE tenant = ?', name);
      this.#run('DELETE FROM credential WHERE tenant = ?', name);
      return this.#run('DELETE FROM tenant WHERE name = ?', name);
    });
  }

  removeDomain(name: Domain): boolean {
    return this.#atOnce(() => {
      this.#run('DELETE FROM signing_key WHERE domain = ?', name);
      return this.#run('DELETE FROM domain WHERE name = ?', name);
    });
  }

  removeCredential(user: string): boolean {
    return this.#run('DELETE FROM credential WHERE user = ?', user);
  }

  removeKey(domain: Domain, selector: string): boolean {
    return this.#run('DELETE FROM signing_key WHERE domain = ? AND selector = ?', domain, selector);
  }

  refresh(): void {
    for (const known of Object.values(this.#known)) known.clear();
  }

  close(): void {
    this.refresh();
    this.#statements.clear();
    this.#database.close();
  }

  /** The columns are those of the table, all of them. */
  #put(table: string, row: Readonly<Record<string, Value>>): void {
    const columns = Object.keys(row);
    const marks = columns.map(() => '?').join(', ');
    this.#run(`INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${marks})`, ...Object.values(row));
  }

  #atOnce<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #run(sql: string, ...values: readonly Value[]): boolean {
    this.refresh();
    return Number(this.#statement(sql).run(...values).changes) > 0;
  }

  #one(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: readonly Value[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }
}

/** That there is none is remembered, too. */
function remembered<T>(known: Lru<string, { readonly record: T }>, key: string, read: () => T): T {
  const kept = known.get(key);
  if (kept !== undefined) return kept.record;
  const record = read();
  known.set(key, { record });
  return record;
}
