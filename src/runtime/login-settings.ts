/** Turns the options of logins into what listeners and receiving take. */

import { type Config } from '../config/config.ts';
import { type ClientUsers } from '../receive/client-users.ts';
import { type AuthOptions } from '../wire/smtp/server-options.ts';

export function authOf(
  { auth, authMechanisms, authInClearText }: Config['listeners'][number],
  tls: Config['tls'],
): AuthOptions {
  const certificates = clientUsersOf(tls) !== undefined;
  return {
    mechanisms: authMechanisms.filter((name) => name !== 'EXTERNAL' || certificates),
    required: auth === 'required',
    clearText: authInClearText ? 'allowed' : 'never',
  };
}

/** Undefined: no certificate logs anybody in. */
export function clientUsersOf({ clientUser, clientUsers }: Config['tls']): ClientUsers | undefined {
  if (clientUser === undefined && clientUsers.length === 0) return undefined;
  return { from: clientUser, byFingerprint: new Map(clientUsers.map(({ fingerprint, user }) => [fingerprint, user])) };
}
