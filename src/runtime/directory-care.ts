/**
 * The directory of a running server: written here, in the main thread, and read by all others, which are told of each
 * change. Keys are moved on each hour.
 */

import { openSqliteDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { type Config } from '../config/config.ts';
import { keyChange } from '../directory/changes.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Duration, MINUTE } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../ports/resolver.ts';
import { type Timer } from '../ports/timers.ts';
import { directoryFacts } from './directory-facts.ts';
import { DirectoryOperations, directoryFile } from './directory-operations.ts';
import { moveKeysOn, ROTATION_EVERY } from './key-rotation.ts';
import { type Threads } from './threads.ts';
import { systemTimers } from './timers.ts';

export interface DirectoryCareDeps {
  readonly threads: Pick<Threads, 'workers' | 'queueManager'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => Config;
}

/** Soon: a server may be started anew more often than each hour. */
const FIRST_MOVE = MINUTE;
/** Who changes keys when their time has come. */
const SERVER = 'server';
const NOBODY = { kind: 'temporary', reason: 'no worker is running' } as const;

export class DirectoryCare {
  readonly directory: DirectoryOperations;
  /** Asks a worker, which keeps answers. */
  readonly resolver: Resolver;
  readonly #deps: DirectoryCareDeps;
  readonly #store: DirectoryStore;
  #timer: Timer | undefined;
  #moving: Promise<void> = Promise.resolve();

  constructor(store: DirectoryStore, deps: DirectoryCareDeps) {
    this.#deps = deps;
    this.#store = store;
    this.resolver = { resolve: (name, type) => this.#lookUp(name, type) };
    this.directory = new DirectoryOperations({
      store,
      now: () => deps.clock.now(),
      changed: () => this.#changed(),
      record: (lines) => this.#record(lines),
      facts: () => directoryFacts(deps.config()),
    });
    this.#moveLater(FIRST_MOVE);
  }

  /** A key move that is under way is waited for. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#moving;
    this.#store.close();
  }

  /** A thread that ends meanwhile begins anew with what is there then. */
  async #changed(): Promise<void> {
    const { workers, queueManager } = this.#deps.threads;
    const threads = [queueManager, ...workers.map((worker) => worker.thread)];
    for (const told of await Promise.allSettled(threads.map((thread) => thread.ask('directoryChanged'))))
      if (told.status === 'rejected')
        this.#deps.log.warn('a thread has not heard of a change of the directory', { error: String(told.reason) });
  }

  /** In the spool's next commit, from which the log has it. */
  async #record(lines: readonly string[]): Promise<void> {
    try {
      await this.#deps.threads.queueManager.ask('commitEvents', lines);
    } catch (error) {
      // The queue manager is gone, and this process with it.
      this.#deps.log.warn('a change of the directory could not be recorded', { error: String(error) });
    }
  }

  async #lookUp<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
    const [worker] = this.#deps.threads.workers;
    // The worker answers what its own resolver gives for this type.
    return worker === undefined ? NOBODY : ((await worker.thread.ask('lookUp', { name, type })) as never);
  }

  #moveLater(wait: Duration): void {
    this.#timer = systemTimers.after(wait, () => {
      this.#moving = this.#move().finally(() => this.#moveLater(ROTATION_EVERY));
    });
  }

  async #move(): Promise<void> {
    const { clock, log, config } = this.#deps;
    try {
      await moveKeysOn({
        ...{ store: this.#store, resolver: this.resolver, log, now: () => clock.now() },
        queue: () => config().queue,
        switchKeys: (domain) => this.directory.switchKeys({ domain, by: SERVER }),
        removed: async (key) => {
          const tenant = this.#store.domain(key.domain)?.tenant ?? '';
          await Promise.all([this.#changed(), this.directory.record(keyChange({ before: key }, tenant), SERVER)]);
        },
      });
    } catch (error) {
      log.warn('signing keys could not be looked after, again in an hour', { error: String(error) });
    }
  }
}

export function openDirectory(spoolFolder: string): DirectoryStore {
  return openSqliteDirectory(directoryFile(spoolFolder), 'write');
}
