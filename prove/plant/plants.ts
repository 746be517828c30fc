/** Lays changes over the product while it is loaded: its files on disk stay as they are. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Plant } from '../suite.ts';

const REGISTER = join(import.meta.dirname, 'register.mjs');

/**
 * The environment in which a Node.js process, with all its threads and the processes that it starts, loads the
 * product with these changes. `folder` keeps the list; more of the environment may be given in `more`.
 */
export function plantedEnvironment(
  folder: string,
  plants: readonly Plant[],
  more: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  if (plants.length === 0) return more;
  const list = join(folder, 'plants.json');
  writeFileSync(list, JSON.stringify(plants));
  const options = [more['NODE_OPTIONS'], `--import=${REGISTER}`].filter((option) => option !== undefined);
  return { ...more, NODE_OPTIONS: options.join(' '), POSTRIDER_PLANTS: list };
}
