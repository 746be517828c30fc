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
} from '../api/directory-contract.ts';
import { Refusal } from '../api/contract.ts';
import { DirectoryAdministration, DirectoryFault, keyView } from '../directory/administration.ts';
import { type DirectoryStore, type DomainRecord, type SigningKeyRecord } from '../directory/directory.ts';
import { type CheckedRecord, checkRecords, dkimRecord, wantedRecords, zoneLine } from '../directory/domain-records.ts';
import { openSqliteDirectory } from '../directory/sqlite/sqlite-directory.ts';
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

export interface DirectoryFacts {
  readonly hostname: string;
  /** `v=STSv1; id=…` of the policy that is served for a domain, if one is. */
  readonly stsRecord: (domain: Domain) => string | undefined;
}

export interface DirectoryOperationsDeps {
  readonly store: DirectoryStore;
  readonly now: () => Instant;
  /** Resolves when all who remember something have forgotten it. */
  readonly changed: () => Promise<void>;
  readonly facts: () => DirectoryFacts;
}

export class DirectoryOperations implements DirectoryAdmin {
  readonly #deps: DirectoryOperationsDeps;
  readonly #administration: DirectoryAdministration;
  #told: Promise<void> = Promise.resolve();

  constructor(deps: DirectoryOperationsDeps) {
    this.#deps = deps;
    this.#administration = new DirectoryAdministration({ ...deps, changed: () => void (this.#told = deps.changed()) });
  }

  tenants() {
    return refused(() => ({ tenants: this.#administration.tenants() }));
  }

  addTenant(request: Argument<'addTenant'>) {
    return this.#change(() => this.#administration.addTenant(request));
  }

  changeTenant(request: Argument<'changeTenant'>) {
    return this.#change(() => this.#administration.changeTenant(request));
  }

  removeTenant(request: Argument<'removeTenant'>) {
    return this.#change(() => this.#administration.removeTenant(request));
  }

  credentials() {
    return refused(() => ({ credentials: this.#administration.credentials() }));
  }

  addCredential(request: Argument<'addCredential'>) {
    return this.#change(() => this.#administration.addCredential(request));
  }

  changeCredential(request: Argument<'changeCredential'>) {
    return this.#change(() => this.#administration.changeCredential(request));
  }

  removeCredential(request: Argument<'removeCredential'>) {
    return this.#change(() => this.#administration.removeCredential(request));
  }

  domains() {
    return refused(() => ({ domains: this.#administration.domains() }));
  }

  domain({ domain }: { readonly domain: string }) {
    return refused(() => this.#domainView(this.#administration.domain(domain)));
  }

  addDomain(request: Argument<'addDomain'>) {
    return this.#change(async () => this.#domainView(await this.#administration.addDomain(request)));
  }

  removeDomain(request: Argument<'removeDomain'>) {
    return this.#change(() => this.#administration.removeDomain(request));
  }

  keys(request: Argument<'keys'>) {
    return refused(() => ({ keys: this.#administration.keys(request).map(shown) }));
  }

  addKey(request: Argument<'addKey'>) {
    return this.#change(async () => shown(await this.#administration.addKey(request)));
  }

  changeKey(request: Argument<'changeKey'>) {
    return this.#change(() => shown(this.#administration.changeKey(request)));
  }

  removeKey(request: Argument<'removeKey'>) {
    return this.#change(() => shown(this.#administration.removeKey(request)));
  }

  rotateKeys(request: Argument<'rotateKeys'>) {
    return this.#change(async () => ({ keys: (await this.#administration.rotate(request)).map(shown) }));
  }

  switchKeys({ domain }: Argument<'switchKeys'>) {
    return this.#change(() => ({ keys: this.#administration.switchKeys(domain).map(shown) }));
  }

  /** Who gets the answer finds the change in force. */
  async #change<T>(work: () => T | Promise<T>): Promise<T> {
    const done = await refused(work);
    await this.#told;
    return done;
  }

  /** What is wrong in DNS; asked of `resolver`. */
  check({ domain }: { readonly domain: string }, resolver: Resolver): Promise<{ records: readonly CheckedRecord[] }> {
    return refused(async () => {
      const records = this.#records(this.#administration.domain(domain).name);
      return { records: await checkRecords(records, resolver) };
    });
  }

  #domainView(record: DomainRecord): DomainView {
    return { ...record, records: this.#records(record.name).map((each) => ({ ...each, line: zoneLine(each) })) };
  }

  #records(domain: Domain) {
    const { hostname, stsRecord } = this.#deps.facts();
    return wantedRecords({
      ...{ domain, hostname, stsRecord: stsRecord(domain) },
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
