/** The version of this program, from its package. */

import { readFileSync } from 'node:fs';

interface Package {
  readonly version: string;
}

// One folder up from both `src/` and `dist/`.
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package;

export const VERSION = version;
