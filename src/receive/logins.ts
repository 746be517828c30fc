/**
 * The logins of one session's client: asks who knows, counts failures, and tells of them.
 *
 * Failures are counted for a client's address (IPv6: its /64) and for the name that it tries, each with a number that may
 * come at once and then one a minute. From where a user has logged in lately nobody else's failures count. What a
 * client sent as a password stands nowhere.
 */

import { type Rate } from '../lib/gcra.ts';
import { MINUTE } from '../lib/time.ts';
import { type Identity } from '../mail/identity.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type SaslCheck } from '../wire/sasl/sasl.ts';
import { type Authenticated, type Authenticator } from './authenticator.ts';
import { type FailureCounts } from './failure-counts.ts';
import { type KnownClients } from './known-clients.ts';
import { clientKey } from './limits.ts';

/** Whom a certificate names is known before. */
export type LoginCheck = Exclude<SaslCheck, { kind: 'certificate' }>;
export type LoginAnswer = Identity | 'refused' | 'unavailable' | Reply;

export interface LoginsDeps {
  readonly authenticator: Authenticator;
  readonly failures: FailureCounts;
  readonly known: KnownClients;
}

/** A person who mistypes never meets these. */
const PER_ADDRESS: Rate = { amount: 1, period: MINUTE, burst: 20 };
const PER_USER: Rate = { amount: 1, period: MINUTE, burst: 50 };

const TOO_MANY = reply(421, '4.7.0', 'Too many failed logins, try again later');
const LOCKED = reply(454, '4.7.0', 'Too many failed logins for this user, try again later');

export class Logins {
  readonly #deps: LoginsDeps;

  constructor(deps: LoginsDeps) {
    this.#deps = deps;
  }

  /** Before anything is looked up: whether this client may try at all. */
  obstacle(address: string, user: string | undefined): Reply | undefined {
    const { failures, known } = this.#deps;
    if (failures.isSpent(addressKey(address), PER_ADDRESS)) return TOO_MANY;
    if (user === undefined || !failures.isSpent(userKey(user), PER_USER)) return undefined;
    return known.has(clientOf(user, address)) ? undefined : LOCKED;
  }

  check(check: LoginCheck): Promise<Authenticated> {
    const { authenticator } = this.#deps;
    switch (check.kind) {
      case 'password':
        return authenticator.password(check.user, check.password);
      case 'token':
        return authenticator.token(check.token, check.user);
      case 'user':
        return authenticator.user(check.user);
    }
  }

  /** Who it is now: what was proved at the login may have been changed or taken back since. */
  current(user: string): Promise<Authenticated> {
    return this.#deps.authenticator.user(user);
  }

  scram(user: string): ReturnType<Authenticator['scram']> {
    return this.#deps.authenticator.scram(user);
  }

  succeeded(address: string, user: string): void {
    this.#deps.known.add(clientOf(user, address));
  }

  failed(address: string, user: string | undefined): void {
    const { failures } = this.#deps;
    failures.add(addressKey(address), PER_ADDRESS);
    if (user !== undefined) failures.add(userKey(user), PER_USER);
  }
}

function addressKey(address: string): string {
  return `address ${clientKey(address)}`;
}

function clientOf(user: string, address: string): string {
  return `${clientKey(address)} ${user}`;
}

function userKey(user: string): string {
  return `user ${user}`;
}
