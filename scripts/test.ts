/** Runs the test suites. `node scripts/test.ts [unit]`. */

import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import process from 'node:process';

const files = globSync(['src/**/*.test.ts', 'test/*.test.ts']);
const result = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], { stdio: 'inherit' });
process.exit(result.status ?? 1);
