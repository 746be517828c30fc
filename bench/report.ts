/** What a run found: medians, a table for people, a file for later. */

import { readFileSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Build } from './build.ts';
import { type Figures } from './measure.ts';

/** One measured server in one workload. */
export interface Row {
  readonly workload: string;
  readonly server: string;
  readonly runs: readonly Figures[];
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Report {
  readonly startedAt: string;
  readonly commit: string;
  /** The sources differed from the commit. */
  readonly changed: boolean;
  readonly against: string | undefined;
  readonly machine: Machine;
  readonly loadAverage: { readonly before: readonly number[]; readonly after: readonly number[] };
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Workloads that could not be measured, and why. */
  readonly failures: readonly string[];
  readonly workloads: Readonly<Record<string, Readonly<Record<string, ServerReport>>>>;
}

export interface ServerReport {
  readonly figures: Readonly<Record<string, Summary>>;
  readonly runs: readonly Figures[];
}

interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly kernel: string;
  readonly fileSystem: string;
}

export interface Facts {
  readonly startedAt: Date;
  readonly build: Build;
  readonly against: Build | undefined;
  readonly loadBefore: readonly number[];
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

export function reportOf(facts: Facts, rows: readonly Row[]): Report {
  const workloads: Record<string, Record<string, ServerReport>> = {};
  for (const { workload, server, runs } of rows) {
    const names = [...new Set(runs.flatMap((run) => Object.keys(run)))];
    const figures = Object.fromEntries(
      names.map((name) => [name, summaryOf(runs.map((run) => run[name] ?? Number.NaN))]),
    );
    (workloads[workload] ??= {})[server] = { figures, runs };
  }
  const { startedAt, build, against, loadBefore, versions, settings, failures } = facts;
  return {
    ...{ startedAt: startedAt.toISOString(), commit: build.commit, changed: build.changed, against: against?.commit },
    machine: machine(),
    loadAverage: { before: loadBefore, after: loadavg() },
    versions: { node: process.version, ...versions },
    ...{ settings, failures, workloads },
  };
}

/** Of an even number of values the mean of the two in the middle. */
export function summaryOf(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

function machine(): Machine {
  const osRelease = readFileSync('/etc/os-release', 'utf8');
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    system: /^PRETTY_NAME="(.*)"$/m.exec(osRelease)?.[1] ?? 'unknown',
    kernel: release(),
    // The magic number is enough to tell a disk from memory.
    fileSystem: `0x${statfsSync(tmpdir()).type.toString(16)}`,
  };
}

/** Named by date, time and commit, so that files sort by age. */
export function writeReport(report: Report, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const stamp = report.startedAt.slice(0, 16).replace(/[:T]/g, '');
  const name = `${stamp.slice(0, 10)}-${stamp.slice(10)}-${report.commit}${report.changed ? '-changed' : ''}.json`;
  const path = join(folder, name);
  writeFileSync(path, `${JSON.stringify(report, rounded, 2)}\n`);
  return path;
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

/** How each figure is shown; those that are not here stand in the file only. */
const SHOWN: readonly { readonly name: string; readonly title: string; readonly digits: number }[] = [
  { name: 'perSecond', title: 'messages/s', digits: 0 },
  { name: 'megabytes', title: 'MB/s', digits: 1 },
  { name: 'cpuMs', title: 'CPU ms/message', digits: 3 },
  { name: 'p50', title: 'p50 ms', digits: 1 },
  { name: 'p99', title: 'p99 ms', digits: 1 },
  { name: 'kibPerConnection', title: 'KiB/connection', digits: 1 },
  { name: 'anonymousMib', title: 'MiB', digits: 0 },
  { name: 'othersShare', title: 'others %', digits: 0 },
];

export function tableOf(report: Report): string {
  const blocks = Object.entries(report.workloads).map(([workload, servers]) => blockOf(workload, servers));
  const { machine, loadAverage, commit, changed } = report;
  return [
    `commit ${commit}${changed ? ' with changes' : ''}; ${machine.cores} × ${machine.cpu}, ${machine.system}, Node ${process.version}`,
    `load average before ${load(loadAverage.before)}, after ${load(loadAverage.after)}; median (least to most) of the runs`,
    ...blocks,
    ...report.failures.map((failure) => `not measured: ${failure}`),
  ].join('\n\n');
}

function load(averages: readonly number[]): string {
  return averages.map((value) => value.toFixed(1)).join(' ');
}

function blockOf(workload: string, servers: Readonly<Record<string, ServerReport>>): string {
  const present = SHOWN.filter(({ name }) => Object.values(servers).some(({ figures }) => name in figures));
  const header = [workload, ...present.map(({ title }) => title)];
  const rows = Object.entries(servers).map(([server, { figures }]) => [
    server,
    ...present.map(({ name, digits }) => cell(figures[name], digits, name === 'othersShare' ? 100 : 1)),
  ]);
  return columns([header, ...rows]);
}

function cell(summary: Summary | undefined, digits: number, scale: number): string {
  if (summary === undefined) return '–';
  const text = (value: number): string => (value * scale).toFixed(digits);
  const { median, min, max } = summary;
  return min === max ? text(median) : `${text(median)} (${text(min)}–${text(max)})`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((text, i) => text.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
