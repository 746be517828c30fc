/** A session's logins: what `logins.ts` answers, counted and told of for its client; and whom a user may send as. */

import { type Identity } from '../mail/identity.ts';
import { anyAddress, type AddressTest } from '../mail/address-pattern.ts';
import { formatMailbox, type ReversePath } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type SaslCheck, type ScramGiven } from '../wire/sasl/sasl.ts';
import { type Authenticated } from './authenticator.ts';
import { type ClientUsers, userOf } from './client-users.ts';
import { TOO_LARGE } from './message-sink.ts';
import { type LoginAnswer, type LoginCheck, type Logins } from './logins.ts';
import { type Peer, type SessionLogins } from './transaction.ts';

export interface PeerLoginsDeps {
  readonly refused: (peer: Peer, user: string | undefined, why: Reply) => void;
  /** Whom certificates log in. */
  readonly clientUsers: () => ClientUsers | undefined;
}

const WRONG = reply(535, '5.7.8', 'User name or password wrong');
const UNKNOWN_NOW = reply(454, '4.7.0', 'Logins cannot be checked now, try again later');
const NOT_NAMED: Authenticated = {
  kind: 'refused',
  reason: 'The certificate does not name this user, or names several',
};

export class PeerLogins implements SessionLogins {
  readonly #logins: Logins;
  readonly #deps: PeerLoginsDeps;

  constructor(logins: Logins, deps: PeerLoginsDeps) {
    this.#logins = logins;
    this.#deps = deps;
  }

  async scram(peer: Peer, user: string): Promise<Omit<ScramGiven, 'nonce' | 'binding'> | Reply> {
    const obstacle = this.#obstacle(peer, user);
    if (obstacle !== undefined) return obstacle;
    try {
      return await this.#logins.scram(user);
    } catch {
      // Who knows the users cannot be asked (RFC 4954 §6).
      return UNKNOWN_NOW;
    }
  }

  async check(peer: Peer, asked: SaslCheck): Promise<LoginAnswer> {
    const obstacle = this.#obstacle(peer, asked.user);
    if (obstacle !== undefined) return obstacle;
    const check = asked.kind === 'certificate' ? this.#byCertificate(peer, asked.user) : asked;
    const found: Authenticated = check === undefined ? NOT_NAMED : await this.#logins.check(check);
    if (found.kind === 'identity') {
      // By the name that failures are counted for.
      this.#logins.succeeded(peer.address, asked.user ?? found.identity.user);
      return found.identity;
    }
    if (found.kind === 'refused') this.failed(peer, check?.user ?? asked.user, found.reason);
    return found.kind;
  }

  /** Who may not even try is not counted again: what is told to wait a minute would never be over. */
  failed(peer: Peer, user: string | undefined, reason?: string): void {
    if (this.#logins.obstacle(peer.address, user) === undefined) this.#logins.failed(peer.address, user);
    this.#deps.refused(peer, user, reason === undefined ? WRONG : reply(535, '5.7.8', reason));
  }

  #byCertificate(peer: Peer, wanted: string | undefined): LoginCheck | undefined {
    const user = userOf(peer.clientCertificate, this.#deps.clientUsers(), wanted);
    return user === undefined ? undefined : { kind: 'user', user };
  }

  #obstacle(peer: Peer, user: string | undefined): Reply | undefined {
    const obstacle = this.#logins.obstacle(peer.address, user);
    if (obstacle !== undefined) this.#deps.refused(peer, user, obstacle);
    return obstacle;
  }
}

/** Compiled once for each list, which lives as long as its record does. */
const TESTS = new WeakMap<readonly string[], AddressTest>();

/** Of addresses as text. */
export function senderTest({ senders }: Pick<Identity, 'senders'>): AddressTest {
  let test = TESTS.get(senders);
  if (test === undefined) TESTS.set(senders, (test = anyAddress(senders)));
  return test;
}

/** The null reverse-path is for reports, which users of submission do not send but may (RFC 6409 §6.1). */
export function maySendAs({ senders }: Identity, path: ReversePath): boolean {
  return path === null || senderTest({ senders })(formatMailbox(path));
}

/** Why a user's transaction may not begin. */
export function obstacleOf(identity: Identity, path: ReversePath, declaredOctets = 0): Reply | undefined {
  if (!maySendAs(identity, path)) return notYours(identity.user);
  return declaredOctets > (identity.limits.messageOctets ?? Infinity) ? TOO_LARGE : undefined;
}

function notYours(user: string): Reply {
  return reply(550, '5.7.1', `The user ${user} may not send as this address: none of its allowed senders matches`);
}
