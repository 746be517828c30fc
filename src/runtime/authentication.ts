/** Who may log in at a worker: users of the directory. */

import { randomBytes } from 'node:crypto';
import { DirectoryAuthenticator } from '../directory/authenticator.ts';
import { type DirectoryReader } from '../directory/directory.ts';
import { type FailureCounts } from '../receive/failure-counts.ts';
import { Logins } from '../receive/logins.ts';

/** Undefined without a directory: nobody can log in. */
export function loginsOf(
  directory: (DirectoryReader & { readonly pepper: Uint8Array }) | undefined,
  failures: FailureCounts,
): Logins | undefined {
  if (directory === undefined) return undefined;
  return new Logins({ authenticator: new DirectoryAuthenticator({ directory, key: randomBytes(32) }), failures });
}
