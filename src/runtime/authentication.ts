/** Who may log in at a worker: users of the directory, by what is kept of their passwords or by tokens of an OAuth server. */

import { randomBytes } from 'node:crypto';
import { DirectoryAuthenticator } from '../directory/authenticator.ts';
import { type DirectoryReader } from '../directory/directory.ts';
import { type Checked } from '../oauth/claims.ts';
import { makeTokens, type OAuthSettings } from '../oauth/make-tokens.ts';
import { type Tokens } from '../oauth/tokens.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { type Authenticated, type Authenticator } from '../receive/authenticator.ts';
import { type FailureCounts } from '../receive/failure-counts.ts';
import { type KnownClients } from '../receive/known-clients.ts';
import { Logins } from '../receive/logins.ts';

export interface LoginDeps {
  /** Undefined: nobody can log in. */
  readonly directory?: (DirectoryReader & { readonly pepper: Uint8Array }) | undefined;
  readonly clock: Clock;
  /** Of logins, over all workers. */
  readonly failures: FailureCounts;
  readonly known: KnownClients;
  readonly timers: Timers;
  readonly log: Log;
}

export class WorkerLogins {
  readonly logins: Logins | undefined;
  readonly #deps: LoginDeps;
  #tokens: Tokens | undefined;

  constructor(deps: LoginDeps, oauth: OAuthSettings) {
    const { directory, failures, known } = deps;
    this.#deps = deps;
    this.configure(oauth);
    if (directory === undefined) return;
    const users = new DirectoryAuthenticator({ directory, key: randomBytes(32) });
    const authenticator = withTokens(users, (token) => this.#check(token));
    this.logins = new Logins({ authenticator, failures, known });
  }

  configure(oauth: OAuthSettings): void {
    const { clock, timers } = this.#deps;
    this.#tokens = makeTokens(oauth, { clock, timers, key: randomBytes(32) });
  }

  async #check(token: string): Promise<Checked> {
    const found = (await this.#tokens?.check(token)) ?? NONE_TAKEN;
    if (found.kind === 'unavailable') this.#deps.log.warn('a token cannot be checked', { reason: found.reason });
    return found;
  }
}

const NONE_TAKEN: Checked = { kind: 'unavailable', reason: 'no tokens are taken any more' };

/** A token says who somebody is; what that user may, the directory says. */
export function withTokens(
  users: Omit<Authenticator, 'token'>,
  check: (token: string) => Promise<Checked>,
): Authenticator {
  return {
    password: (user, password) => users.password(user, password),
    scram: (user) => users.scram(user),
    user: (user) => users.user(user),
    token: async (token, wanted): Promise<Authenticated> => {
      const found = await check(token);
      if (found.kind !== 'user') return found;
      if (wanted !== undefined && wanted !== found.user) return OTHER_USER;
      const known = await users.user(found.user);
      return known.kind === 'refused' ? NO_USER : known;
    },
  };
}

const OTHER_USER = { kind: 'refused', reason: 'The token is of another user than the client says' } as const;
const NO_USER = {
  kind: 'refused',
  reason: 'The token is of a user who is not in the directory, or may not log in',
} as const;
