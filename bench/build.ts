/** Release builds to measure: of the work tree as it is, or of any commit. */

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

export interface Build {
  /** With `main.js` in it. */
  readonly folder: string;
  readonly commit: string;
  /** The sources were not those of the commit. */
  readonly changed: boolean;
}

const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, '.cache', 'bench');
const NEEDED = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json'] as const;

/** In a folder of its own: whoever works on the tree does not disturb what is measured. */
export function buildTree(): Build {
  const place = join(CACHE, 'tree');
  mkdirSync(place, { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(place, 'package.json'));
  compile([join(ROOT, 'scripts', 'build.ts'), join(place, 'dist')]);
  return { folder: join(place, 'dist'), ...stateOfTree() };
}

export function buildCommit(reference: string): Build {
  const commit = git('rev-parse', '--short=12', reference);
  const place = join(CACHE, commit);
  const build = { folder: join(place, 'dist'), commit, changed: false };
  if (existsSync(join(place, '.complete'))) return build;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const archive = execFileSync('git', ['archive', commit, ...NEEDED], { cwd: ROOT, maxBuffer: 1 << 28 });
  execFileSync('tar', ['-x', '-C', place], { input: archive });
  compile([join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(place, 'tsconfig.build.json')]);
  writeFileSync(join(place, '.complete'), '');
  return build;
}

/** Built before, by somebody who knows from what. */
export function builtIn(folder: string): Build {
  if (!existsSync(join(folder, 'main.js'))) throw new Error(`there is no build in ${folder}`);
  return { folder, ...stateOfTree() };
}

function stateOfTree(): Pick<Build, 'commit' | 'changed'> {
  return { commit: git('rev-parse', '--short=12', 'HEAD'), changed: git('status', '--porcelain', '--', 'src') !== '' };
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

function compile(argv: readonly string[]): void {
  const { status } = spawnSync(process.execPath, argv, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error('the product could not be built');
}
