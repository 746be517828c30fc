/** Compiles `src` into a fresh `dist`, or into the folder that is named. `node scripts/build.ts [folder]` */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';

const root = join(import.meta.dirname, '..');
const folder = resolve(root, process.argv[2] ?? 'dist');
rmSync(folder, { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const project = join(root, 'tsconfig.build.json');
const { status } = spawnSync(process.execPath, [compiler, '-p', project, '--outDir', folder], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
