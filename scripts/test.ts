/**
 * Runs everything that must hold, in this order: checks (types, lint, form), unit tests, the build, scenarios and
 * interop suites (these two start processes from the built package).
 *
 *     node scripts/test.ts                 everything
 *     node scripts/test.ts unit            one part: checks, unit, scenario, interop
 *     node scripts/test.ts unit src/queue  one part, only files whose path contains one of the words
 *
 * Every part runs even if one before it failed, but nothing is started from a package that could not be built. Each
 * skipped test is named with its reason as `SKIPPED part: reason`. The last line is the sum of all parts.
 */

import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import process from 'node:process';
import { run } from 'node:test';
import { dot, spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

import { isFileItself, Tally, type PartName } from './test-tally.ts';

const ROOT = dirname(import.meta.dirname);
const MINUTE = 60_000;
const KEPT_ERRORS = 4000;

interface Suite {
  readonly name: PartName;
  readonly files: readonly string[];
  readonly concurrency: number;
  readonly built: boolean;
  readonly reporter: 'dot' | 'spec';
  /** A run that tells nothing for so long is ended, and the files that were open are named. */
  readonly patience: number;
}

const SUITES: readonly Suite[] = [
  {
    name: 'unit',
    files: ['src/**/*.test.ts', 'test/**/*.test.ts', 'prove/**/*.test.ts'],
    concurrency: Math.min(4, availableParallelism()),
    built: false,
    reporter: 'dot',
    patience: 3 * MINUTE,
  },
  {
    name: 'scenario',
    files: ['test/scenario/**/*.test.ts'],
    concurrency: 1,
    built: true,
    reporter: 'spec',
    patience: 6 * MINUTE,
  },
  {
    name: 'interop',
    files: ['test/interop/**/*.test.ts'],
    concurrency: 1,
    built: true,
    reporter: 'spec',
    // The first run fetches packages.
    patience: 12 * MINUTE,
  },
];
const WITH_PROCESSES = /^test\/(?:scenario|interop)\//;

const tally = new Tally();
process.chdir(ROOT);
// Whatever the tests start as `node` is the Node that runs this script.
process.env['PATH'] = [dirname(process.execPath), process.env['PATH']].join(delimiter);
const [wanted, ...words] = process.argv.slice(2);
await runParts();
console.log(tally.summary());
process.exit(tally.ok ? 0 : 1);

async function runParts(): Promise<void> {
  if (wanted !== undefined && ![...SUITES.map(({ name }) => name), 'checks'].includes(wanted as PartName)) {
    tally.failed('checks', `${wanted} is no part of the tests: checks, unit, scenario, interop`);
    return;
  }
  if (isWanted('checks')) checks();
  let built: 'not yet' | 'yes' | 'no' = 'not yet';
  for (const suite of SUITES.filter(({ name }) => isWanted(name))) {
    if (suite.built && built === 'not yet') built = build() ? 'yes' : 'no';
    if (suite.built && built === 'no') tally.failed(suite.name, 'not run: the package could not be built');
    else await runSuite(suite);
  }
}

function isWanted(part: PartName): boolean {
  return wanted === undefined || wanted === part;
}

function checks(): void {
  command('checks', 'types', [binary('typescript', 'tsc')]);
  command('checks', 'lint', [binary('oxlint', 'oxlint'), 'src', 'test', 'scripts', 'bin', 'bench', 'prove']);
  command('checks', 'form', [binary('prettier', 'prettier'), '--check', '--log-level=warn', '.']);
}

function build(): boolean {
  return command('build', 'package', [join('scripts', 'build.ts')]);
}

function command(part: PartName, name: string, argv: readonly string[]): boolean {
  console.log(`\n── ${part}: ${name} ──`);
  const { status } = spawnSync(process.execPath, argv, { stdio: 'inherit' });
  if (status === 0) tally.passed(part);
  else tally.failed(part, name);
  return status === 0;
}

/** The file that npm would start as this command. */
function binary(packageName: string, command: string): string {
  const folder = join('node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly bin: string | Readonly<Record<string, string>>;
  };
  const path = typeof bin === 'string' ? bin : bin[command];
  if (path === undefined) throw new Error(`${packageName} brings no command ${command}`);
  return join(folder, path);
}

async function runSuite(suite: Suite): Promise<void> {
  console.log(`\n── ${suite.name} ──`);
  const files = filesOf(suite);
  if (files.length === 0) return tally.failed(suite.name, 'no test file was found');
  const begun = performance.now();
  const errors = new Map<string, string>();
  const broken: string[] = [];
  const watch = new AbortController();
  const timer = setTimeout(() => watch.abort(), suite.patience);
  const stream = run({ files: files as string[], concurrency: suite.concurrency, signal: watch.signal });
  stream.on('test:pass', (event) => tally.take(suite.name, 'passed', event));
  stream.on('test:fail', (event) => {
    tally.take(suite.name, 'failed', event);
    if (isFileItself(event)) broken.push(pathOf(event.file));
  });
  // The short reporter keeps what files write to itself; of one that could not run it is all there is.
  stream.on('test:stderr', ({ file, message }) => {
    const path = pathOf(file);
    errors.set(path, `${errors.get(path) ?? ''}${message}`.slice(-KEPT_ERRORS));
  });
  stream.on('data', () => timer.refresh());
  for await (const text of stream.compose(suite.reporter === 'dot' ? dot : spec)) process.stdout.write(String(text));
  clearTimeout(timer);
  for (const file of broken) console.log(`\n${file}:\n${errors.get(file) ?? 'it wrote nothing'}`);
  tally.ended(suite.name, (performance.now() - begun) / 1000);
}

function filesOf({ name, files }: Suite): readonly string[] {
  return globSync([...files])
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => name !== 'unit' || !WITH_PROCESSES.test(path))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .toSorted();
}

function pathOf(file: string | undefined): string {
  if (file === undefined) return '';
  return relative(ROOT, resolve(file.startsWith('file:') ? fileURLToPath(file) : file));
}
