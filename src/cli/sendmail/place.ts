/**
 * Where the pickup folder and the spool are, for a program that is called by anybody from anywhere.
 *
 * The folder of the caller is never looked into: a configuration is a program, and one that lies in the folder in which
 * root happens to send mail is not root's. In this order: what the environment or `-C` names, the usual pickup folder,
 * the system's configuration.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { SendmailFailure } from './failure.ts';

/** Where the package of a distribution has it; see packaging/. */
const USUAL_PICKUP = '/var/spool/postrider';

export interface PlaceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** `-C`, or `--config` of `postrider`. */
  readonly config: string | undefined;
  /** `--spool` of `postrider`. */
  readonly spool: string | undefined;
  readonly usual?: string;
}

/** The folder that files are put into. */
export async function dropFolder(options: PlaceOptions): Promise<string> {
  const { env, cwd, spool, usual = USUAL_PICKUP } = options;
  const named = env['POSTRIDER_PICKUP'];
  if (named !== undefined && named !== '') return join(resolve(cwd, named), 'drop');
  if (spool !== undefined) return join(resolve(cwd, spool), 'pickup', 'drop');
  const file = namedConfig(options);
  if (file === undefined && existsSync(join(usual, 'drop'))) return join(usual, 'drop');
  const { pickup, spool: kept } = await configOf(file);
  return join(pickup.folder ?? join(kept.folder, 'pickup'), 'drop');
}

/** The spool, for whoever may read the configuration. */
export async function spoolFolder(options: PlaceOptions): Promise<string> {
  if (options.spool !== undefined) return resolve(options.cwd, options.spool);
  return (await configOf(namedConfig(options))).spool.folder;
}

function namedConfig({ env, cwd, config }: PlaceOptions): string | undefined {
  const named = config ?? env['POSTRIDER_CONFIG'];
  return named === undefined || named === '' ? undefined : resolve(cwd, named);
}

async function configOf(named: string | undefined): Promise<Config> {
  // All options of all parts come with it: only where it must be.
  const { findConfigFile, loadConfig, SYSTEM_FOLDER } = await import('../../config/load.ts');
  const file = named ?? findConfigFile(SYSTEM_FOLDER);
  if (file === undefined) throw new SendmailFailure('unavailable', nobody(SYSTEM_FOLDER));
  const loaded = await loadConfig(file, 1);
  if (loaded.ok) return loaded.config;
  const { formatProblem } = await import('../../lib/schema-reading.ts');
  throw new SendmailFailure('configuration', loaded.problems.map(formatProblem).join('\n'));
}

function nobody(system: string): string {
  return `no Postrider takes mail here that this user may use: there is no ${USUAL_PICKUP}, and no configuration in ${system} that you may read. Set pickup.folder to ${USUAL_PICKUP} in the configuration and start the server, or name the configuration with -C`;
}
