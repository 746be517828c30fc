/**
 * `npm run prove`: attacks what the product promises, and says what was tried and what broke.
 *
 * Prints a table and writes a JSON file into `prove/results`. What is promised, and how each promise is attacked:
 * `docs/reliability.md`. With `--sabotage` the product is given known faults, and the prover fails unless it finds
 * each of them.
 */

import { execFileSync } from 'node:child_process';
import { relative, resolve } from 'node:path';
import process from 'node:process';
import { HELP, type ProveOptions, readOptions } from './options.ts';
import { type Proof, summaryOf, writeReport } from './report.ts';
import { type Fault, type Suite, type SuiteResult } from './suite.ts';
import { SUITES } from './suites.ts';

const ROOT = resolve(import.meta.dirname, '..');
const startedAt = new Date();
const options = optionsGiven();
build();
const proofs = options.sabotage ? await sabotage(options) : await prove(options);
const path = writeReport({ startedAt, seed: options.seed, length: options.length, proofs }, resolve(options.results));
console.log(`\n${summaryOf(proofs)}\n\nseed ${options.seed}\n${relative(process.cwd(), path)}`);
process.exit(proofs.every(({ passed }) => passed) ? 0 : 1);

function optionsGiven(): ProveOptions {
  try {
    const names = SUITES.map(({ name }) => name);
    const read = readOptions(process.argv.slice(2), names);
    if (read !== 'help') return read;
    process.stdout.write(`${HELP}\n${SUITES.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}\n`);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

function build(): void {
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: 'inherit' });
}

/** A driver that gave up has found nothing, and the other faults are still to be tried. */
function undriven(error: unknown): SuiteResult {
  return { cases: {}, figures: {}, failures: [], skipped: [`it could not be driven: ${String(error)}`] };
}

function chosen({ suites }: ProveOptions): readonly Suite[] {
  return SUITES.filter(({ name }) => suites.length === 0 || suites.includes(name));
}

async function prove(options: ProveOptions): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  for (const suite of chosen(options)) {
    console.log(`── ${suite.name}: ${suite.about}`);
    const { result, seconds } = await run(suite, options, undefined);
    for (const failure of result.failures) console.log(`FAILED ${suite.name}: ${failure}`);
    proofs.push({ suite: suite.name, fault: undefined, passed: result.failures.length === 0, seconds, ...result });
  }
  return proofs;
}

/** A fault that nobody finds is the failure here. */
async function sabotage(options: ProveOptions): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  for (const suite of chosen(options)) {
    for (const fault of suite.faults) {
      if (options.faults.length > 0 && !options.faults.includes(fault.name)) continue;
      const { result, seconds } = await run(suite, options, fault);
      const passed = result.failures.length > 0;
      const why = result.failures[0] ?? result.skipped[0] ?? '';
      console.log(`${passed ? 'found' : 'NOT FOUND'} ${suite.name}: ${fault.name}: ${why}`);
      proofs.push({ suite: suite.name, fault: fault.name, passed, seconds, ...result });
    }
  }
  return proofs;
}

async function run(
  suite: Suite,
  { length, seed }: ProveOptions,
  fault: Fault | undefined,
): Promise<{ readonly result: SuiteResult; readonly seconds: number }> {
  const begun = performance.now();
  const tell = (text: string): void => console.log(`${suite.name}: ${text}`);
  const running = suite.run({ length, seed, tell, fault });
  const result = await (fault === undefined ? running : running.catch(undriven));
  return { result, seconds: Math.round((performance.now() - begun) / 1000) };
}
