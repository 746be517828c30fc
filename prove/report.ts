/** What a run of the prover found: a table for people, a file for later. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Length, type SuiteResult } from './suite.ts';

export interface Proof extends SuiteResult {
  readonly suite: string;
  readonly fault: string | undefined;
  /** Nothing broke; or, with a fault planted, something did. */
  readonly passed: boolean;
  readonly seconds: number;
}

export interface Report {
  readonly startedAt: Date;
  readonly seed: number;
  readonly length: Length;
  readonly proofs: readonly Proof[];
}

const GIB = 1024 ** 3;

export function summaryOf(proofs: readonly Proof[]): string {
  return proofs.flatMap(linesOf).join('\n');
}

function linesOf({ suite, fault, passed, seconds, cases, figures, failures, skipped }: Proof): readonly string[] {
  const name = fault === undefined ? suite : `${suite}, ${fault}`;
  if (fault !== undefined)
    return [`${passed ? 'found    ' : 'NOT FOUND'} ${name} (${seconds} s): ${failures[0] ?? ''}`];
  return [
    `${passed ? 'passed' : 'FAILED'} ${name} (${seconds} s)`,
    ...Object.entries(cases).map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`),
    ...Object.entries(figures).map(([what, figure]) => `  ${String(figure).padStart(8)}  ${what}`),
    ...failures.map((failure) => `  FAILED    ${failure}`),
    ...skipped.map((reason) => `  skipped   ${reason}`),
  ];
}

/** Gives the path of the file. */
export function writeReport(report: Report, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const stamp = report.startedAt.toISOString().slice(0, 16).replace('T', '-').replace(':', '');
  const { commit, changed } = commitOf();
  const kind = report.length === 'fault' ? 'sabotage' : report.length;
  const path = join(folder, `${stamp}-${commit}${changed ? '-changed' : ''}-${kind}.json`);
  const whole = { commit, changed, machine: machineOf(), node: process.version, ...report };
  writeFileSync(path, `${JSON.stringify(whole, undefined, 2)}\n`);
  return path;
}

function commitOf(): { readonly commit: string; readonly changed: boolean } {
  try {
    const changed = git('status', '--porcelain', '--', '../src', '../prove', '../test/lib') !== '';
    return { commit: git('rev-parse', '--short=12', 'HEAD').trim(), changed };
  } catch {
    // A release has no history.
    return { commit: 'unknown', changed: false };
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function machineOf(): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / GIB),
    kernel: release(),
  };
}
