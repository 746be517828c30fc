/**
 * The keys of the issuer, fetched and kept (RFC 7517).
 *
 * They are fetched when the first token comes, anew when they have been kept for a while, and when a token names a key
 * that is not among them, which anybody can do: so this happens once in a while and no more. While they cannot be fetched
 * the ones that were are good for a day.
 */

import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';

export interface KeySet {
  /** Rejects when there are no keys to be had now. */
  keys(): Promise<JWTVerifyGetKey>;
  /** Others than these, where there may be others. */
  newer(than: JWTVerifyGetKey): Promise<JWTVerifyGetKey | undefined>;
}

const FRESH: Duration = 10 * MINUTE;
const STALE: Duration = 24 * HOUR;
/** Between two fetches, whatever for. */
const PAUSE: Duration = 30 * SECOND;
const MAX_KEYS = 100;

export function fixedKeys(keys: JWTVerifyGetKey): KeySet {
  return { keys: () => Promise.resolve(keys), newer: () => Promise.resolve(undefined) };
}

export class FetchedKeys implements KeySet {
  readonly #fetch: () => Promise<string>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #kept: { readonly keys: JWTVerifyGetKey; readonly at: Instant } | undefined;
  #fetching: Promise<void> | undefined;
  #triedAt = -Infinity;
  #fault: Error | undefined;

  constructor(fetch: () => Promise<string>, clock: Pick<Clock, 'monotonic'>) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  async keys(): Promise<JWTVerifyGetKey> {
    if (this.#age() > FRESH) await this.#refresh();
    if (this.#kept !== undefined && this.#age() <= STALE) return this.#kept.keys;
    throw this.#fault ?? new Error('there are no keys');
  }

  async newer(than: JWTVerifyGetKey): Promise<JWTVerifyGetKey | undefined> {
    if (this.#kept?.keys === than) await this.#refresh();
    return this.#kept?.keys === than ? undefined : this.#kept?.keys;
  }

  /** Never rejects. */
  #refresh(): Promise<void> {
    const now = this.#clock.monotonic();
    if (this.#fetching === undefined && now - this.#triedAt >= PAUSE) {
      this.#triedAt = now;
      this.#fetching = this.#fetchNow().finally(() => (this.#fetching = undefined));
    }
    return this.#fetching ?? Promise.resolve();
  }

  async #fetchNow(): Promise<void> {
    try {
      this.#kept = { keys: keysIn(await this.#fetch()), at: this.#clock.monotonic() };
      this.#fault = undefined;
    } catch (error) {
      this.#fault = error instanceof Error ? error : new Error(String(error));
    }
  }

  #age(): Duration {
    return this.#kept === undefined ? Infinity : this.#clock.monotonic() - this.#kept.at;
  }
}

/** Throws, with what is wrong with it, for what is no set of public keys. */
export function keysIn(text: string): JWTVerifyGetKey {
  const written: unknown = jsonIn(text);
  const { keys } = (typeof written === 'object' && written !== null ? written : {}) as Partial<JSONWebKeySet>;
  if (!Array.isArray(keys)) throw new Error('it is no set of keys: "keys" is missing');
  if (keys.length > MAX_KEYS) throw new Error(`it has more than ${MAX_KEYS} keys`);
  const usable = keys.filter((key: unknown) => isPublic(key));
  if (usable.length === 0) throw new Error('it has no public key');
  return createLocalJWKSet({ keys: usable });
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What the parser says quotes the text.
    throw new Error('it is no JSON');
  }
}

/** A secret that is shared proves nothing: whoever can check with it can sign with it. */
function isPublic(key: unknown): boolean {
  if (typeof key !== 'object' || key === null || !('kty' in key)) return false;
  return key.kty === 'RSA' || key.kty === 'EC' || key.kty === 'OKP';
}
