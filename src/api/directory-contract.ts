/** What can be asked of the directory, of a running server and of a stopped one. Part of the `Admin` contract. */

import {
  type CredentialChange,
  type CredentialMade,
  type CredentialView,
  type KeyView,
  type NewCredential,
  type NewKey,
} from '../directory/administration.ts';
import { type DomainRecord, type KeyState, type TenantRecord } from '../directory/directory.ts';
import { type CheckedRecord } from '../directory/domain-check.ts';
import { type WantedRecord } from '../directory/domain-records.ts';
import { type SendingLimits } from '../mail/identity.ts';

/** A domain, and what it needs in DNS. */
export interface DomainView extends DomainRecord {
  readonly records: readonly (WantedRecord & { readonly line: string })[];
  /** Why a record is not among them, or should wait. */
  readonly notes: readonly string[];
}

export interface KeyShown extends KeyView {
  /** Name and text of its record. */
  readonly name: string;
  readonly record: string;
}

/** Who asks, for the record. */
export interface Signed {
  readonly by?: string;
}

export interface DirectoryAdmin {
  tenants(): Promise<{ readonly tenants: readonly TenantRecord[] }>;
  addTenant(request: Signed & { readonly name: string; readonly limits?: SendingLimits }): Promise<TenantRecord>;
  changeTenant(
    request: Signed & {
      readonly name: string;
      readonly limits?: SendingLimits;
      readonly suspended?: boolean;
    },
  ): Promise<TenantRecord>;
  removeTenant(request: Signed & { readonly name: string }): Promise<TenantRecord>;
  credentials(): Promise<{ readonly credentials: readonly CredentialView[] }>;
  addCredential(request: Signed & NewCredential): Promise<CredentialMade>;
  changeCredential(request: Signed & CredentialChange): Promise<CredentialMade>;
  removeCredential(request: Signed & { readonly user: string }): Promise<CredentialView>;
  domains(): Promise<{ readonly domains: readonly DomainRecord[] }>;
  domain(request: { readonly domain: string }): Promise<DomainView>;
  addDomain(request: Signed & { readonly domain: string; readonly tenant?: string }): Promise<DomainView>;
  removeDomain(request: Signed & { readonly domain: string }): Promise<DomainRecord>;
  keys(request: { readonly domain?: string }): Promise<{ readonly keys: readonly KeyShown[] }>;
  addKey(request: Signed & NewKey): Promise<KeyShown>;
  changeKey(
    request: Signed & {
      readonly domain: string;
      readonly selector: string;
      readonly state: KeyState;
    },
  ): Promise<KeyShown>;
  removeKey(request: Signed & { readonly domain: string; readonly selector: string }): Promise<KeyShown>;
  rotateKeys(request: Signed & { readonly domain: string }): Promise<{ readonly keys: readonly KeyShown[] }>;
  switchKeys(request: Signed & { readonly domain: string }): Promise<{ readonly keys: readonly KeyShown[] }>;
}

/** What needs to ask the world: a running server does. */
export interface DirectoryChecks {
  checkDomain(request: { readonly domain: string }): Promise<{ readonly records: readonly CheckedRecord[] }>;
}
