/** What a server says when it starts and something is likely not meant. It runs all the same. */

import process from 'node:process';
import { type Config } from '../config/config.ts';
import { configWarnings } from '../config/warnings.ts';
import { formatProblem } from '../lib/schema-reading.ts';
import { type Log } from '../ports/log.ts';
import { missingPrograms } from './config-files.ts';
import { unknownUsers } from './local-users.ts';

/** Not in the sandbox, whose configuration is our own. Never rejects. */
export async function warnAtStart(config: Config, log: Log): Promise<void> {
  if (process.getuid?.() === 0)
    log.warn('running as root: run it as an ordinary user (packaging/postrider.service shows how)');
  for (const warning of configWarnings(config)) log.warn(formatProblem(warning));
  for (const missing of await missingPrograms(config)) log.warn(missing);
  const unknown = await unknownUsers(config.pickup.trustedUsers);
  for (const user of unknown) log.warn('pickup.trustedUsers names a user that this machine does not know', { user });
}
