/**
 * MTA-STS policies on disk: a file for each domain, shared by all workers, so that a restart forgets none.
 *
 * A file is replaced whole, never changed; one that cannot be read counts as none. What is kept is bounded in octets:
 * the policy that was asked for longest ago makes room.
 */

import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lru } from '../../lib/lru.ts';
import { formatStsPolicy, parseStsPolicy } from '../../tlspolicy/mta-sts.ts';
import { type KeptPolicy } from '../../tlspolicy/sts-step.ts';

export interface PolicyFolder {
  /** It may be there: cheap, and without I/O. */
  knows(domain: string): boolean;
  read(domain: string): Promise<KeptPolicy | undefined>;
  write(domain: string, kept: KeptPolicy): Promise<void>;
  remove(domain: string): Promise<void>;
  /** Every domain that is there now, also what others wrote. */
  list(): Promise<readonly string[]>;
}

const SUFFIX = '.json';
/** `mta-sts.` and the name are at most 253 octets together, so that no name is too long for a file. */
const NAME = /^[a-z0-9_.-]{1,245}$/;
/** A block of the file system, whatever is in it. */
const FILE_OCTETS = 4096;
const MAX_OCTETS = 64 * 1024 * 1024;

export async function openPolicyFolder(folder: string, writer: string, limit = MAX_OCTETS): Promise<PolicyFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const opened = new DiskFolder(folder, writer, limit);
  await opened.load();
  return opened;
}

class DiskFolder implements PolicyFolder {
  readonly #folder: string;
  readonly #writer: string;
  readonly #limit: number;
  /** Octets of each file, the one asked for longest ago first. Bounded here, since what falls out has to be removed. */
  readonly #known: Lru<string, number>;
  #octets = 0;
  #drafts = 0;

  /** `writer`: differs between those that write at the same time. */
  constructor(folder: string, writer: string, limit: number) {
    this.#folder = folder;
    this.#writer = writer;
    this.#limit = limit;
    this.#known = new Lru(Number.POSITIVE_INFINITY);
  }

  async load(): Promise<void> {
    const found: { readonly domain: string; readonly at: number; readonly size: number }[] = [];
    for (const domain of await this.list()) {
      const file = await stat(this.#path(domain)).catch(() => undefined); // Gone meanwhile.
      if (file !== undefined) found.push({ domain, at: file.mtimeMs, size: file.size });
    }
    found.sort((a, b) => a.at - b.at);
    for (const { domain, size } of found) this.#count(domain, size);
  }

  knows(domain: string): boolean {
    return this.#known.get(domain) !== undefined;
  }

  async read(domain: string): Promise<KeptPolicy | undefined> {
    if (!NAME.test(domain)) return undefined;
    // No such file, or one that cannot be read: there is no policy, and the next fetch writes it anew.
    const text = await readFile(this.#path(domain), 'utf8').catch(() => '');
    return decode(text, domain);
  }

  async write(domain: string, kept: KeptPolicy): Promise<void> {
    if (!NAME.test(domain)) return;
    const text = encode(domain, kept);
    // Of its own: two that end at once would be written over each other, and one be kept as the other's.
    const draft = join(this.#folder, `.${this.#writer}.${(this.#drafts += 1)}.draft`);
    await writeFile(draft, text, { mode: 0o600 });
    await rename(draft, this.#path(domain));
    this.#count(domain, text.length);
    while (this.#octets > this.#limit) {
      const [oldest] = this.#known.entries().next().value ?? [domain];
      if (oldest === domain) return;
      await this.remove(oldest);
    }
  }

  async remove(domain: string): Promise<void> {
    this.#octets -= this.#known.get(domain) ?? 0;
    this.#known.delete(domain);
    await rm(this.#path(domain), { force: true });
  }

  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#folder);
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .filter((name) => NAME.test(name));
  }

  #count(domain: string, size: number): void {
    const weight = Math.ceil(size / FILE_OCTETS) * FILE_OCTETS;
    this.#octets += weight - (this.#known.get(domain) ?? 0);
    this.#known.set(domain, weight);
  }

  #path(domain: string): string {
    return join(this.#folder, `${domain}${SUFFIX}`);
  }
}

function encode(domain: string, { id, fetchedAt, policy }: KeptPolicy): string {
  return `${JSON.stringify({ domain, id, fetchedAt, policy: formatStsPolicy(policy) })}\n`;
}

function decode(text: string, of: string): KeptPolicy | undefined {
  try {
    const { domain, id, fetchedAt, policy } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (domain !== of) return undefined;
    if (typeof id !== 'string' || typeof fetchedAt !== 'number' || typeof policy !== 'string') return undefined;
    const read = parseStsPolicy(policy);
    return read.ok ? { id, fetchedAt, policy: read.value } : undefined;
  } catch {
    // Cut short by a crash, or edited: the next fetch writes it anew.
    return undefined;
  }
}
