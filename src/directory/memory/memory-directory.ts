/** The directory in memory: the twin of the one in SQLite, for tests. */

import { randomBytes } from 'node:crypto';
import { type Domain } from '../../mail/domain.ts';
import {
  type CredentialRecord,
  type DirectoryStore,
  type DomainRecord,
  type SigningKeyRecord,
  type TenantRecord,
} from '../directory.ts';

export function memoryDirectory(): DirectoryStore {
  return new MemoryDirectory();
}

class MemoryDirectory implements DirectoryStore {
  readonly pepper: Uint8Array = randomBytes(32);
  readonly #tenants = new Map<string, TenantRecord>();
  readonly #domains = new Map<Domain, DomainRecord>();
  readonly #credentials = new Map<string, CredentialRecord>();
  readonly #keys = new Map<string, SigningKeyRecord>();

  credential(user: string): CredentialRecord | undefined {
    return this.#credentials.get(user);
  }

  tenant(name: string): TenantRecord | undefined {
    return this.#tenants.get(name);
  }

  domain(name: Domain): DomainRecord | undefined {
    return this.#domains.get(name);
  }

  domainsOf(tenant: string): readonly Domain[] {
    return this.domains().flatMap((domain) => (domain.tenant === tenant ? [domain.name] : []));
  }

  signingKeys(domain: Domain): readonly SigningKeyRecord[] {
    return this.keys(domain).filter(({ state }) => state === 'signing');
  }

  get signs(): boolean {
    return [...this.#keys.values()].some(({ state }) => state === 'signing');
  }

  tenants(): readonly TenantRecord[] {
    return sorted(this.#tenants.values(), ({ name }) => name);
  }

  domains(): readonly DomainRecord[] {
    return sorted(this.#domains.values(), ({ name }) => name);
  }

  credentials(): readonly CredentialRecord[] {
    return sorted(this.#credentials.values(), ({ user }) => user);
  }

  keys(domain?: Domain): readonly SigningKeyRecord[] {
    const keys = [...this.#keys.values()].filter((key) => domain === undefined || key.domain === domain);
    const bySelector = sorted(keys, ({ selector }) => selector).toSorted((one, other) => one.since - other.since);
    return sorted(bySelector, (key) => key.domain);
  }

  putTenant(tenant: TenantRecord): void {
    this.#tenants.set(tenant.name, structuredClone(tenant));
  }

  putDomain(domain: DomainRecord): void {
    this.#domains.set(domain.name, structuredClone(domain));
  }

  putCredential(credential: CredentialRecord): void {
    this.#credentials.set(credential.user, structuredClone(credential));
  }

  putKeys(keys: readonly SigningKeyRecord[]): void {
    for (const key of keys) this.#keys.set(nameOf(key.domain, key.selector), structuredClone(key));
  }

  removeTenant(name: string): boolean {
    for (const domain of this.domainsOf(name)) this.removeDomain(domain);
    for (const { user, tenant } of this.credentials()) if (tenant === name) this.removeCredential(user);
    return this.#tenants.delete(name);
  }

  removeDomain(name: Domain): boolean {
    for (const { selector } of this.keys(name)) this.removeKey(name, selector);
    return this.#domains.delete(name);
  }

  removeCredential(user: string): boolean {
    return this.#credentials.delete(user);
  }

  removeKey(domain: Domain, selector: string): boolean {
    return this.#keys.delete(nameOf(domain, selector));
  }

  refresh(): void {
    // Nothing is read from elsewhere.
  }

  close(): void {
    // It holds nothing open.
  }
}

function nameOf(domain: Domain, selector: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** By code units, as SQLite compares. */
function sorted<T>(values: Iterable<T>, by: (value: T) => string): readonly T[] {
  return [...values].toSorted((one, other) => (by(one) < by(other) ? -1 : Number(by(one) > by(other))));
}
