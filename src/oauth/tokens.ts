/**
 * Tokens as whoever logs people in sees them: whose is it? A token that was right is remembered for a while as a keyed
 * digest, so that a client that logs in for each message costs one check and not one each.
 */

import { createHmac } from 'node:crypto';
import { type Duration } from '../lib/time.ts';
import { Lru } from '../lib/lru.ts';
import { type Clock } from '../ports/clock.ts';
import { type Checked } from './claims.ts';

export interface TokensOptions {
  /** Never rejects. */
  readonly check: (token: string) => Promise<Checked>;
  readonly remember: Duration;
  readonly clock: Pick<Clock, 'now'>;
  /** For the digests; random, and never stored. */
  readonly key: Uint8Array;
}

const REMEMBERED = 10_000;

export class Tokens {
  readonly #options: TokensOptions;
  readonly #right = new Lru<string, { readonly user: string; readonly until: number }>(REMEMBERED);
  readonly #underWay = new Map<string, Promise<Checked>>();

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  check(token: string): Promise<Checked> {
    const digest = createHmac('sha256', this.#options.key).update(token).digest('base64');
    const right = this.#right.get(digest);
    const now = this.#options.clock.now();
    // A clock that was set back must not make it last.
    if (right !== undefined && now < right.until && right.until - now <= this.#options.remember)
      return Promise.resolve({ kind: 'user', ...right });
    const underWay = this.#underWay.get(digest) ?? this.#checked(token, digest);
    this.#underWay.set(digest, underWay);
    return underWay;
  }

  async #checked(token: string, digest: string): Promise<Checked> {
    const found = await this.#options.check(token);
    this.#underWay.delete(digest);
    if (found.kind !== 'user') return found;
    const { clock, remember } = this.#options;
    const until = Math.min(found.until ?? Infinity, clock.now() + remember);
    this.#right.set(digest, { user: found.user, until });
    return found;
  }
}
