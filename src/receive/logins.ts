/**
 * The logins of one session's client: asks who knows, counts failures, and tells of them.
 *
 * Failures are counted for a client's address (IPv6: its /64) and for the name that it tries, each with a number that may
 * come at once and then one a minute. What a client sent as a password stands nowhere.
 */

import { Gcra, type Rate } from '../lib/gcra.ts';
import { Lru } from '../lib/lru.ts';
import { MINUTE } from '../lib/time.ts';
import { type Identity } from '../mail/identity.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type Clock } from '../ports/clock.ts';
import { type SaslCheck } from '../wire/sasl/sasl.ts';
import { type Authenticated, type Authenticator } from './authenticator.ts';
import { clientKey } from './limits.ts';

/** Whom a certificate names is known before. */
export type LoginCheck = Exclude<SaslCheck, { kind: 'certificate' }>;
export type LoginAnswer = Identity | 'refused' | 'unavailable' | Reply;

export interface LoginsDeps {
  readonly authenticator: Authenticator;
  readonly clock: Clock;
}

/** A person who mistypes never meets these. */
const PER_ADDRESS: Rate = { amount: 1, period: MINUTE, burst: 20 };
const PER_USER: Rate = { amount: 1, period: MINUTE, burst: 50 };
/** Of each kind: whoever fills this with names has been counted by address long before. */
const REMEMBERED = 20_000;

const TOO_MANY = reply(421, '4.7.0', 'Too many failed logins, try again later');
const LOCKED = reply(454, '4.7.0', 'Too many failed logins for this user, try again later');

export class Logins {
  readonly #deps: LoginsDeps;
  readonly #addresses = new Lru<string, Gcra>(REMEMBERED);
  readonly #users = new Lru<string, Gcra>(REMEMBERED);

  constructor(deps: LoginsDeps) {
    this.#deps = deps;
  }

  /** Before anything is looked up: whether this client may try at all. */
  obstacle(address: string, user: string | undefined): Reply | undefined {
    if (this.#isSpent(this.#addresses.get(clientKey(address)))) return TOO_MANY;
    return user !== undefined && this.#isSpent(this.#users.get(user)) ? LOCKED : undefined;
  }

  async check(check: LoginCheck): Promise<LoginAnswer> {
    const found = await this.#ask(check);
    return found.kind === 'identity' ? found.identity : found.kind;
  }

  scram(user: string): ReturnType<Authenticator['scram']> {
    return this.#deps.authenticator.scram(user);
  }

  failed(address: string, user: string | undefined): void {
    const now = this.#deps.clock.monotonic();
    counter(this.#addresses, clientKey(address), PER_ADDRESS).take(now);
    if (user !== undefined) counter(this.#users, user, PER_USER).take(now);
  }

  #ask(check: LoginCheck): Promise<Authenticated> {
    const { authenticator } = this.#deps;
    return check.kind === 'user' ? authenticator.user(check.user) : authenticator.password(check.user, check.password);
  }

  #isSpent(count: Gcra | undefined): boolean {
    return count !== undefined && count.nextAt() > this.#deps.clock.monotonic();
  }
}

function counter(counts: Lru<string, Gcra>, key: string, rate: Rate): Gcra {
  let count = counts.get(key);
  if (count === undefined) counts.set(key, (count = new Gcra(rate)));
  return count;
}
