/**
 * A reload in two halves: every thread loads the new configuration and opens what it needs; only when all
 * could, all swap. Otherwise the old one stays, everywhere.
 */

import { type Reloaded } from '../api/contract.ts';
import { type Config } from '../config/config.ts';
import { type Certificates } from './boot.ts';
import { ConfigProblems, type ConfigSource, loadSource } from './config-source.ts';
import { checkPorts } from './port-check.ts';
import { type Threads } from './threads.ts';

export interface ReloadInput {
  readonly threads: Threads;
  readonly source: ConfigSource;
  readonly before: Config;
  readonly certificatesOf: (config: Config) => Promise<Certificates>;
}

export interface ReloadResult {
  readonly answer: Reloaded;
  /** The new ones, when they were taken. */
  readonly config: Config | undefined;
  readonly certificates: Certificates | undefined;
}

export async function reload(input: ReloadInput): Promise<ReloadResult> {
  const { threads, source, before } = input;
  const workers = threads.workers.map(({ thread }) => thread);
  try {
    const config = await loadSource(source);
    await checkPorts(config.listeners, before.listeners);
    const certificates = await input.certificatesOf(config);
    await orAbandon(workers, prepareAll(workers, { source, certificates }));
    await orAbandon(workers, threads.queueManager.ask('reload', source));
    await Promise.all(workers.map((thread) => thread.ask('swap')));
    return { answer: { result: 'swapped', problems: [], needsRestart: fixed(before, config) }, config, certificates };
  } catch (error) {
    return {
      answer: { result: 'kept', problems: problemsOf(error), needsRestart: [] },
      config: undefined,
      certificates: undefined,
    };
  }
}

type WorkerThreads = readonly Threads['workers'][number]['thread'][];

/** All of them have come to an end before it rejects: one that is still opening could not be told to close. */
async function prepareAll(workers: WorkerThreads, what: object): Promise<void> {
  const results = await Promise.allSettled(workers.map((thread) => thread.ask('prepare', what)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** When it fails, what the workers have prepared is closed again. */
async function orAbandon(workers: WorkerThreads, step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch (error) {
    await Promise.allSettled(workers.map((thread) => thread.ask('abandon')));
    throw error;
  }
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigProblems) return error.problems;
  return [error instanceof Error ? error.message : String(error)];
}

/** Options that are read once, at the start. */
const FIXED = {
  'spool.folder': ({ spool }: Config) => spool.folder,
  'events.folder': ({ events }: Config) => events.folder,
  'events.retention': ({ events }: Config) => events.retention,
  workers: ({ workers }: Config) => workers,
  'memory.content': ({ memory }: Config) => memory.content,
  http: ({ http }: Config) => JSON.stringify(http),
} as const;

function fixed(before: Config, after: Config): readonly string[] {
  return Object.entries(FIXED)
    .filter(([, valueOf]) => valueOf(before) !== valueOf(after))
    .map(([path]) => path);
}
