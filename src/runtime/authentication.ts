/** Who may log in at a worker: users of the directory. */

import { randomBytes } from 'node:crypto';
import { DirectoryAuthenticator } from '../directory/authenticator.ts';
import { type DirectoryReader } from '../directory/directory.ts';
import { type Authenticator } from '../receive/authenticator.ts';

export function directoryAuthenticator(directory: DirectoryReader & { readonly pepper: Uint8Array }): Authenticator {
  const users = new DirectoryAuthenticator({ directory, key: randomBytes(32) });
  return {
    password: (user, password) => users.password(user, password),
    scram: (user) => users.scram(user),
    user: (user) => users.user(user),
    // Tokens are of other issuers: the directory has none.
    token: () => Promise.resolve({ kind: 'refused' }),
  };
}
