/**
 * The directory as the rest of the product sees it: tenants, their domains, who may log in, and the keys that sign.
 *
 * Written by one thread, read by all through caches of their own, so that no query sits on the hot path. What is
 * read may be some moments old. Secrets are here only as what checks them; a signing key is here whole.
 */

import { type Instant } from '../lib/time.ts';
import { type Domain } from '../mail/domain.ts';
import { type SendingLimits } from '../mail/identity.ts';

export interface TenantRecord {
  readonly name: string;
  /** Its users may not log in, and nothing new is taken in its name. */
  readonly suspended: boolean;
  readonly limits: SendingLimits;
}

export interface CredentialRecord {
  /** Login name for SMTP, or the name of an API key; unique. */
  readonly user: string;
  readonly kind: 'smtp' | 'api';
  /** `''` for none. */
  readonly tenant: string;
  readonly disabled: boolean;
  /** What is sent must come from one of these; see `Identity`. */
  readonly senders: readonly string[];
  readonly limits: SendingLimits;
  /** For comparison with a password or key; PHC string format, `$scrypt$…`. */
  readonly hash: string;
  /** Absent for API keys. */
  readonly scram: ScramSecret | undefined;
}

/** What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677). */
export interface ScramSecret {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** A domain that mail is sent from. */
export interface DomainRecord {
  readonly name: Domain;
  /** `''` for none. */
  readonly tenant: string;
  /** When its records last changed: the id of its MTA-STS policy follows from it. */
  readonly changedAt: Instant;
}

/** RFC 6376 §3.3, RFC 8463. */
export type SigningAlgorithm = 'rsa-sha256' | 'ed25519-sha256';

export interface SigningKeyRecord {
  readonly domain: Domain;
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  /** `published`: its record is in DNS, and it signs nothing yet. `retired`: it signs nothing more, and its record stays for what is under way. */
  readonly state: KeyState;
  /** When it came into this state. */
  readonly since: Instant;
}

export type KeyState = 'published' | 'signing' | 'retired';

/** What a thread asks on the way of a message: answered from memory but for the first time. */
export interface DirectoryReader {
  credential(user: string): CredentialRecord | undefined;
  tenant(name: string): TenantRecord | undefined;
  domain(name: Domain): DomainRecord | undefined;
  domainsOf(tenant: string): readonly Domain[];
  /** Those that sign now; none: mail of the domain is not signed. */
  signingKeys(domain: Domain): readonly SigningKeyRecord[];
}

/**
 * All of it, for who looks after it: one thread, or a command while no server runs. Each change is on disk when the
 * call returns, and is whole: with a tenant go its domains, users and keys, or none of them.
 */
export interface DirectoryStore extends DirectoryReader {
  tenants(): readonly TenantRecord[];
  domains(): readonly DomainRecord[];
  credentials(): readonly CredentialRecord[];
  /** Of one domain, or of all; in every state, oldest first. */
  keys(domain?: Domain): readonly SigningKeyRecord[];
  putTenant(tenant: TenantRecord): void;
  putDomain(domain: DomainRecord): void;
  putCredential(credential: CredentialRecord): void;
  putKeys(keys: readonly SigningKeyRecord[]): void;
  /** With all that belongs to it. False: there is none. */
  removeTenant(name: string): boolean;
  /** With its keys. */
  removeDomain(name: Domain): boolean;
  removeCredential(user: string): boolean;
  removeKey(domain: Domain, selector: string): boolean;
  /** Whether any domain has a key that signs. */
  readonly signs: boolean;
  /** What makes up secrets of users who do not exist: the same after a restart. */
  readonly pepper: Uint8Array;
  /** Forgets what it has read. */
  refresh(): void;
  close(): void;
}
