/** The hosts that offered encryption, in a worker: read at its start, written now and then while there is something new. */

import { join } from 'node:path';
import { type TlsMemory } from '../deliver/options.ts';
import { TlsHostFiles, TlsHosts } from '../deliver/tls-hosts.ts';
import { MINUTE } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';

const SAVE_EVERY = 10 * MINUTE;

export interface RememberedHostsOptions {
  readonly spool: string;
  readonly worker: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export class RememberedHosts {
  readonly hosts: TlsHosts;
  readonly #files: TlsHostFiles;
  readonly #options: RememberedHostsOptions;

  static async open(options: RememberedHostsOptions): Promise<RememberedHosts> {
    const remembered = new RememberedHosts(options);
    await remembered.#load();
    remembered.#saveLater();
    return remembered;
  }

  constructor(options: RememberedHostsOptions) {
    this.#options = options;
    this.hosts = new TlsHosts(options.clock);
    this.#files = new TlsHostFiles(join(options.spool, 'tls-hosts'), options.worker);
  }

  /** What others saw meanwhile is read with it. Never rejects. */
  async save(): Promise<void> {
    try {
      if (this.hosts.changed) await this.#files.save(this.hosts);
      await this.#files.load(this.hosts);
    } catch (error) {
      // A full disk: what is in memory counts until the end.
      this.#options.log.warn('which hosts offer encryption cannot be kept', { error: String(error) });
    }
  }

  async #load(): Promise<void> {
    try {
      await this.#files.load(this.hosts);
    } catch (error) {
      this.#options.log.warn('which hosts offered encryption cannot be read', { error: String(error) });
    }
  }

  #saveLater(): void {
    this.#options.timers.after(SAVE_EVERY, () => void this.save().then(() => this.#saveLater()));
  }
}

/** As delivering takes it; nothing, where nobody is to notice. */
export function tlsMemoryOf(
  remembered: RememberedHosts | undefined,
  downgrade: 'tell' | 'defer' | 'ignore' | undefined,
): { readonly tlsMemory?: TlsMemory } {
  if (remembered === undefined || downgrade === undefined || downgrade === 'ignore') return {};
  const { hosts } = remembered;
  return {
    tlsMemory: { knows: (host) => hosts.knows(host), seen: (host) => hosts.seen(host), withoutTls: downgrade },
  };
}
