/**
 * Hosts that were seen to offer encryption, so that one which suddenly does not is noticed: somebody on the way may have
 * taken STARTTLS out of its reply (RFC 3207 §6).
 *
 * A memory for what nothing published vouches for: DANE and MTA-STS need none. Bounded; a host that was not seen for a
 * month is forgotten, and so is the one seen longest ago when there is no room. Each worker writes what it saw into a
 * file of its own and reads those of all, at its start and each time it writes.
 */

import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lru } from '../lib/lru.ts';
import { DAY, type Duration, type Instant } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';

const REMEMBERED: Duration = 30 * DAY;
const MAX_HOSTS = 20_000;
const SUFFIX = '.hosts';
const LINE = /^([a-z0-9_.-]{1,253}) (\d{1,15})$/;

export class TlsHosts {
  readonly #clock: Clock;
  /** When each was last seen; the one seen longest ago first. */
  readonly #seen: Lru<string, Instant>;
  #changed = false;

  constructor(clock: Clock, limit = MAX_HOSTS) {
    this.#clock = clock;
    this.#seen = new Lru(limit);
  }

  /** There is something to be written. */
  get changed(): boolean {
    return this.#changed;
  }

  knows(host: string): boolean {
    const at = this.#seen.get(host);
    return at !== undefined && Math.abs(this.#clock.now() - at) < REMEMBERED;
  }

  /** Told anew once a day at most. */
  seen(host: string): void {
    const now = this.#clock.now();
    const at = this.#seen.get(host);
    if (at !== undefined && Math.abs(now - at) < DAY) return;
    this.#seen.set(host, now);
    this.#changed = true;
  }

  /** Lines that `read` takes. */
  write(): string {
    this.#changed = false;
    return [...this.#seen.entries()].map(([host, at]) => `${host} ${at}\n`).join('');
  }

  /** What does not fit is passed over; of two times for a host the later counts. */
  read(text: string): void {
    for (const line of text.split('\n')) {
      const [, host = '', time] = LINE.exec(line) ?? [];
      const at = Number(time);
      if (host !== '' && at > (this.#seen.get(host) ?? 0)) this.#seen.set(host, at);
    }
  }
}

/** A file for each worker in one folder. */
export class TlsHostFiles {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, worker: number) {
    this.#folder = folder;
    this.#name = `${worker}${SUFFIX}`;
  }

  async load(hosts: TlsHosts): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(SUFFIX));
    // One that cannot be read tells nothing; what it told will be seen again.
    for (const name of names) hosts.read(await readFile(join(this.#folder, name), 'utf8').catch(() => ''));
  }

  async save(hosts: TlsHosts): Promise<void> {
    const draft = join(this.#folder, `.${this.#name}`);
    await writeFile(draft, hosts.write(), { mode: 0o600 });
    await rename(draft, join(this.#folder, this.#name));
  }
}
