/**
 * Who may log in, from the directory: the password side of the `Authenticator` that receiving asks.
 *
 * A client learns nothing from the time an answer takes: an unknown user costs the same hash as a known one. A password
 * that was right is remembered as a keyed digest while the record stays as it was, so that a busy client pays for one
 * hash and not for one a message.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { errorText } from '../lib/error-text.ts';
import { Lru } from '../lib/lru.ts';
import { type Identity } from '../mail/identity.ts';
import { type CredentialRecord, type DirectoryReader, type ScramSecret } from './directory.ts';
import { stricter } from './limits.ts';
import { madeUpHash, madeUpSecret, verifyPassword } from './passwords.ts';

export type Known =
  | { readonly kind: 'identity'; readonly identity: Identity }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface AuthenticatorOptions {
  readonly directory: DirectoryReader & { readonly pepper: Uint8Array };
  /** For the digests of passwords that were right; random, and never stored. */
  readonly key: Uint8Array;
}

const REMEMBERED = 10_000;
/** Hashes at once, each of 32 MiB; and how many may wait for a place. */
const AT_ONCE = 2;
const WAITING = 64;
/** Longer ones are nobody's, and would cost as they please. */
const MAX_PASSWORD = 1024;
const MAX_USER = 320;
const REFUSED = { kind: 'refused' } as const;

export class DirectoryAuthenticator {
  readonly #directory: AuthenticatorOptions['directory'];
  readonly #key: Uint8Array;
  /** What the password of an unknown user is compared with: it costs the same, and fits nothing. */
  readonly #hashOfNobody: string;
  readonly #right = new Lru<string, { readonly hash: string; readonly digest: Buffer }>(REMEMBERED);
  #busy = 0;
  readonly #queue: (() => void)[] = [];

  constructor({ directory, key }: AuthenticatorOptions) {
    this.#directory = directory;
    this.#key = key;
    this.#hashOfNobody = madeUpHash(directory.pepper);
  }

  async password(user: string, password: string): Promise<Known> {
    if (user.length > MAX_USER || password.length > MAX_PASSWORD || password === '') return REFUSED;
    try {
      const record = this.#record(user);
      if (record !== undefined && this.#wasRight(record, password)) return this.#known(record);
      if (this.#queue.length >= WAITING) return { kind: 'unavailable', reason: 'too many log in at once' };
      const right = await this.#inTurn(() => verifyPassword(password, record?.hash ?? this.#hashOfNobody));
      if (!right || record === undefined) return REFUSED;
      this.#right.set(user, { hash: record.hash, digest: this.#digest(record, password) });
      return this.#known(record);
    } catch (error) {
      return unavailable(error);
    }
  }

  /** Rejects when the directory cannot be read. */
  async scram(user: string): Promise<ScramSecret> {
    const record = user.length > MAX_USER ? undefined : this.#record(user);
    return record?.scram ?? madeUpSecret(user.slice(0, MAX_USER), this.#directory.pepper);
  }

  user(user: string): Promise<Known> {
    try {
      const record = user.length > MAX_USER ? undefined : this.#record(user);
      return Promise.resolve(record === undefined ? REFUSED : this.#known(record));
    } catch (error) {
      return Promise.resolve(unavailable(error));
    }
  }

  /** A key for the API is no password for SMTP. */
  #record(user: string): CredentialRecord | undefined {
    const record = this.#directory.credential(user);
    return record === undefined || record.disabled || record.kind !== 'smtp' ? undefined : record;
  }

  #known(record: CredentialRecord): Known {
    const { user, tenant, senders, limits } = record;
    const owner = tenant === '' ? undefined : this.#directory.tenant(tenant);
    if (tenant !== '' && owner?.suspended !== false) return REFUSED;
    const identity = {
      ...{ user, tenant },
      // Without a list: whatever belongs to the same tenant.
      senders: senders.length > 0 ? senders : this.#directory.domainsOf(tenant),
      limits: owner === undefined ? limits : stricter(limits, owner.limits),
    };
    return { kind: 'identity', identity };
  }

  #wasRight(record: CredentialRecord, password: string): boolean {
    const kept = this.#right.get(record.user);
    return kept?.hash === record.hash && timingSafeEqual(kept.digest, this.#digest(record, password));
  }

  #digest({ user, hash }: CredentialRecord, password: string): Buffer {
    return createHmac('sha256', this.#key).update(`${user}\0${hash}\0${password}`).digest();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#busy += 1;
    try {
      return await work();
    } finally {
      // The place goes to the next that waits, or is free.
      const next = this.#queue.shift();
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }
}

function unavailable(error: unknown): Known {
  return { kind: 'unavailable', reason: errorText(error) };
}
