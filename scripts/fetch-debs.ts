/** Fetches the packages of the interop suites ahead of a run. `node scripts/fetch-debs.ts [--require]` */

import process from 'node:process';

import { debianPackages, forgetFailures, PACKAGE_SETS } from '../test/lib/debs.ts';

await forgetFailures();
for (const name of PACKAGE_SETS) {
  const unpacked = await debianPackages(name);
  console.log(unpacked.kind === 'ready' ? `${name}: ${unpacked.root}` : `${name}: ${unpacked.reason}`);
  if (unpacked.kind === 'unavailable' && process.argv.includes('--require')) process.exitCode = 1;
}
