/**
 * A reload in two halves: every thread loads the new configuration and opens what it needs; only when all
 * could, all swap. Otherwise the old one stays, everywhere.
 */

import { errorText } from '../lib/error-text.ts';
import { type Reloaded } from '../api/contract.ts';
import { type Config } from '../config/config.ts';
import { type Certificates } from './boot.ts';
import { refuseFaults } from './config-files.ts';
import { ConfigProblems, type ConfigSource, loadSource } from './config-source.ts';
import { checkPorts } from './port-check.ts';

/** A thread, as far as a reload knows it. */
export interface ReloadThread {
  ask(method: string, argument?: unknown): Promise<unknown>;
  terminate(): Promise<void>;
}

export interface ReloadInput {
  readonly threads: {
    readonly queueManager: ReloadThread;
    /** The workers that are there now: asked again later, it may be others. */
    readonly workers: readonly { readonly thread: ReloadThread }[];
  };
  readonly source: ConfigSource;
  /** What is in force. */
  readonly before: Config;
  /** What the process was started with: some options are read then, and never again. */
  readonly started: Config;
  readonly certificatesOf: (config: Config) => Promise<Certificates>;
  /** From here on there is no way back: threads that start later start with these. */
  readonly taken: (config: Config, certificates: Certificates) => void;
}

export async function reload(input: ReloadInput): Promise<Reloaded> {
  const { threads, source, before } = input;
  const workers = threadsOf(input);
  try {
    const config = await loadSource(source);
    await refuseFaults(config, 'files');
    await checkPorts(config.listeners, before.listeners);
    const certificates = await input.certificatesOf(config);
    const what: Prepare = { source, certificates };
    await orAbandon(workers, prepareAll(workers, what));
    await orAbandon(workers, threads.queueManager.ask('reload', source));
    input.taken(config, certificates);
    await Promise.all(workers.map((thread) => orEnd(thread, thread.ask('swap'))));
    const others = threadsOf(input).filter((thread) => !workers.includes(thread));
    await Promise.all(others.map((thread) => orEnd(thread, catchUp(thread, what))));
    return { result: 'swapped', problems: [], needsRestart: fixed(input.started, config) };
  } catch (error) {
    return { result: 'kept', problems: problemsOf(error), needsRestart: [] };
  }
}

interface Prepare {
  readonly source: ConfigSource;
  readonly certificates: Certificates;
}

function threadsOf({ threads }: ReloadInput): readonly ReloadThread[] {
  return threads.workers.map(({ thread }) => thread);
}

/** A worker that took the place of a dead one while the reload went on began with what was in force then. */
async function catchUp(thread: ReloadThread, what: Prepare): Promise<void> {
  await thread.ask('prepare', what);
  await thread.ask('swap');
}

/** A worker that cannot follow is ended: its successor begins with the new configuration. */
async function orEnd(thread: ReloadThread, step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch {
    // Either it is dead already, or it stands where nobody else does.
    await thread.terminate();
  }
}

/** All of them have come to an end before it rejects: one that is still opening could not be told to close. */
async function prepareAll(workers: readonly ReloadThread[], what: Prepare): Promise<void> {
  const results = await Promise.allSettled(workers.map((thread) => thread.ask('prepare', what)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** When it fails, what the workers have prepared is closed again. */
async function orAbandon(workers: readonly ReloadThread[], step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch (error) {
    await Promise.allSettled(workers.map((thread) => thread.ask('abandon')));
    throw error;
  }
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigProblems) return error.problems;
  return [errorText(error)];
}

/** Options that are read once, at the start. */
const FIXED = {
  'spool.folder': ({ spool }: Config) => spool.folder,
  'events.folder': ({ events }: Config) => events.folder,
  'events.retention': ({ events }: Config) => events.retention,
  'pickup.folder': ({ pickup }: Config) => pickup.folder,
  workers: ({ workers }: Config) => workers,
  'events.segmentOctets': ({ events }: Config) => events.segmentOctets,
  'events.segmentAge': ({ events }: Config) => events.segmentAge,
  'memory.content': ({ memory }: Config) => memory.content,
  'queue.memory': ({ queue }: Config) => queue.memory,
  'bounce.perSenderAndHour': ({ bounce }: Config) => bounce.perSenderAndHour,
  'bounce.sendersRemembered': ({ bounce }: Config) => bounce.sendersRemembered,
  http: ({ http }: Config) => JSON.stringify(http),
} as const;

function fixed(started: Config, now: Config): readonly string[] {
  return Object.entries(FIXED)
    .filter(([, valueOf]) => valueOf(started) !== valueOf(now))
    .map(([path]) => path);
}
