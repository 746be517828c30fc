/**
 * The directory's half of the `Admin` contract, for a running server and for a stopped one: the operations of
 * `directory/administration.ts`, with what the product knows beside it.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DIRECTORY_CALLS } from '../api/directory-calls.ts';
import {
  type DirectoryAdmin,
  type DirectoryChecks,
  type DomainView,
  type KeyShown,
  type Signed,
} from '../api/directory-contract.ts';
import { Refusal } from '../api/contract.ts';
import { DirectoryAdministration, DirectoryFault, keyView } from '../directory/administration.ts';
import { type DirectoryChange } from '../directory/changes.ts';
import { type DirectoryStore, type DomainRecord, type SigningKeyRecord } from '../directory/directory.ts';
import { type CheckedRecord, type CheckFacts, checkRecords } from '../directory/domain-check.ts';
import { dkimRecord, wantedRecords, zoneLine } from '../directory/domain-records.ts';
import { openSqliteDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { eventLine } from '../events/format.ts';
import { type Instant } from '../lib/time.ts';
import { type Domain } from '../mail/domain.ts';
import { type Resolver } from '../ports/resolver.ts';

export function directoryFile(spoolFolder: string): string {
  return join(spoolFolder, 'directory.db');
}

/** For a thread that reads; undefined: none has been made yet, by whoever writes it. */
export function readDirectory(spoolFolder: string): DirectoryStore | undefined {
  const file = directoryFile(spoolFolder);
  return existsSync(file) ? openSqliteDirectory(file, 'read') : undefined;
}

export interface DirectoryFacts extends CheckFacts {
  /** `v=STSv1; id=…` of the policy that is served for a domain, if one is. */
  readonly stsRecord: (domain: Domain) => string | undefined;
  /** What is to be known beside the records of a domain. */
  readonly notes: (domain: Domain) => readonly string[];
}

export interface DirectoryOperationsDeps {
  readonly store: DirectoryStore;
  readonly now: () => Instant;
  /** Resolves when all who remember something have forgotten it. */
  readonly changed: () => Promise<void>;
  /** Puts lines of events on record; one that cannot be does not undo the change. */
  readonly record: (lines: readonly string[]) => Promise<void>;
  readonly facts: () => DirectoryFacts;
}

export class DirectoryOperations implements DirectoryAdmin {
  readonly #deps: DirectoryOperationsDeps;
  /** For what only reads. */
  readonly #administration: DirectoryAdministration;

  constructor(deps: DirectoryOperationsDeps) {
    this.#deps = deps;
    this.#administration = new DirectoryAdministration({ ...deps, changed: () => undefined });
  }

  tenants() {
    return refused(() => ({ tenants: this.#administration.tenants() }));
  }

  addTenant(request: Argument<'addTenant'>) {
    return this.#change(request, (administration, asked) => administration.addTenant(asked));
  }

  changeTenant(request: Argument<'changeTenant'>) {
    return this.#change(request, (administration, asked) => administration.changeTenant(asked));
  }

  removeTenant(request: Argument<'removeTenant'>) {
    return this.#change(request, (administration, asked) => administration.removeTenant(asked));
  }

  credentials() {
    return refused(() => ({ credentials: this.#administration.credentials() }));
  }

  addCredential(request: Argument<'addCredential'>) {
    return this.#change(request, (administration, asked) => administration.addCredential(asked));
  }

  changeCredential(request: Argument<'changeCredential'>) {
    return this.#change(request, (administration, asked) => administration.changeCredential(asked));
  }

  removeCredential(request: Argument<'removeCredential'>) {
    return this.#change(request, (administration, asked) => administration.removeCredential(asked));
  }

  domains() {
    return refused(() => ({ domains: this.#administration.domains() }));
  }

  domain({ domain }: { readonly domain: string }) {
    return refused(() => this.#domainView(this.#administration.domain(domain)));
  }

  addDomain(request: Argument<'addDomain'>) {
    return this.#change(request, async (administration, asked) =>
      this.#domainView(await administration.addDomain(asked)),
    );
  }

  removeDomain(request: Argument<'removeDomain'>) {
    return this.#change(request, (administration, asked) => administration.removeDomain(asked));
  }

  keys(request: Argument<'keys'>) {
    return refused(() => ({ keys: this.#administration.keys(request).map(shown) }));
  }

  addKey(request: Argument<'addKey'>) {
    return this.#change(request, async (administration, asked) => shown(await administration.addKey(asked)));
  }

  changeKey(request: Argument<'changeKey'>) {
    return this.#change(request, (administration, asked) => shown(administration.changeKey(asked)));
  }

  removeKey(request: Argument<'removeKey'>) {
    return this.#change(request, (administration, asked) => shown(administration.removeKey(asked)));
  }

  rotateKeys(request: Argument<'rotateKeys'>) {
    return this.#change(request, async (administration, asked) => ({
      keys: (await administration.rotate(asked)).map(shown),
    }));
  }

  switchKeys(request: Argument<'switchKeys'>) {
    return this.#change(request, (administration, { domain }) => ({
      keys: administration.switchKeys(domain).map(shown),
    }));
  }

  /** Who gets the answer finds the change in force, and on record. */
  async #change<R extends Signed, T>(
    { by = 'unknown', ...asked }: R,
    work: (administration: DirectoryAdministration, asked: Omit<R, 'by'>) => T | Promise<T>,
  ): Promise<T> {
    const told: Promise<void>[] = [];
    const changed = (changes: readonly DirectoryChange[]): void => {
      told.push(this.#deps.changed(), this.record(changes, by));
    };
    const administration = new DirectoryAdministration({ ...this.#deps, changed });
    const done = await refused(() => work(administration, asked));
    await Promise.all(told);
    return done;
  }

  async record(changes: readonly DirectoryChange[], by: string): Promise<void> {
    const at = this.#deps.now();
    const lines = changes.map((change) => eventLine({ kind: 'directoryChanged', at, by, ...change }));
    if (lines.length > 0) await this.#deps.record(lines);
  }

  /** What is wrong in DNS; asked of `resolver`. */
  check({ domain }: { readonly domain: string }, resolver: Resolver): Promise<{ records: readonly CheckedRecord[] }> {
    return refused(async () => {
      const records = this.#records(this.#administration.domain(domain).name);
      return { records: await checkRecords(records, this.#deps.facts(), resolver) };
    });
  }

  #domainView(record: DomainRecord): DomainView {
    const records = this.#records(record.name).map((each) => ({ ...each, line: zoneLine(each) }));
    return { ...record, records, notes: this.#deps.facts().notes(record.name) };
  }

  #records(domain: Domain) {
    const { hostname, stsRecord, reportsTo } = this.#deps.facts();
    return wantedRecords({
      ...{ domain, hostname, stsRecord: stsRecord(domain), reportsTo },
      keys: this.#administration.keys({ domain }),
    });
  }
}

/** Bound, for a contract that is joined of several parts. */
export function directoryCalls(operations: DirectoryOperations): DirectoryAdmin {
  const names = Object.keys(DIRECTORY_CALLS) as (keyof (DirectoryAdmin & DirectoryChecks))[];
  const own = names.filter((name): name is keyof DirectoryAdmin => name !== 'checkDomain');
  // The table has exactly the calls of the contract; its types cannot be followed through `fromEntries`.
  return Object.fromEntries(own.map((name) => [name, operations[name].bind(operations)])) as unknown as DirectoryAdmin;
}

type Argument<K extends keyof DirectoryAdmin> = Parameters<DirectoryAdmin[K]>[0];

function shown(key: SigningKeyRecord): KeyShown {
  return { ...keyView(key), name: `${key.selector}._domainkey.${key.domain}`, record: dkimRecord(key) };
}

/** What the directory refuses is the caller's fault, and said so at every face. */
async function refused<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DirectoryFault) throw new Refusal(error.kind, error.message);
    throw error;
  }
}
