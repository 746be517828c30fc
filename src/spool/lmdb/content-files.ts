/**
 * Large content: one file a message, in `content/<last two characters of the id>/<id>`.
 *
 * A file is in its place, and its folders are synced, before the commit that names it, and it is unlinked only
 * after the commit that ended its message and when nobody reads it. So a crash leaves at most a file too many:
 * the sweep, when the spool opens and every hour, removes those.
 */

import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HOUR } from '../../lib/time.ts';
import { parseQueueId, type QueueId } from '../../mail/queue-id.ts';
import { isCode, makeFolder, modifiedAt, removeFile, renameFile, unlinkFile, writeSynced } from './files.ts';
import { FolderSyncs } from './folder-syncs.ts';

/** A file that no message names may belong to a commit under way, or to an upload; after an hour it does not. */
const ORPHAN_AGE = HOUR;
const CLOCK_FILE = '.clock';

interface Kept {
  readers: number;
  /** The message is gone: unlink at the last release. */
  unlink: string | undefined;
}

export class ContentFiles {
  readonly #root: string;
  readonly #incoming: string;
  /** Files that are read now, or whose commit is under way: the sweep leaves them alone. */
  readonly #kept = new Map<QueueId, Kept>();
  readonly #placing = new Set<QueueId>();
  readonly #syncs = new FolderSyncs();
  /** Folders whose names are on disk, since the root was synced after they were seen in it. */
  #durable: Promise<Set<string>> | undefined;
  /** While a backup copies files none is unlinked. */
  #holds = 0;
  #held: string[] = [];
  readonly #unlinking = new Set<Promise<void>>();

  constructor(root: string, incoming: string) {
    this.#root = root;
    this.#incoming = incoming;
  }

  path(file: string): string {
    return join(this.#root, file);
  }

  /** Takes a finished, synced file over. Gives its name for the message's record. */
  async adopt(id: QueueId, path: string): Promise<string> {
    const file = fileOf(id);
    const folder = dirname(this.path(file));
    this.#placing.add(id);
    const durable = await this.#durableFolders();
    await this.#move(path, file);
    const syncs = [folder, dirname(path), ...(durable.has(folder) ? [] : [this.#root])];
    await Promise.all(syncs.map((synced) => this.#syncs.sync(synced)));
    durable.add(folder);
    return file;
  }

  /** The usual case is that its folder is there. */
  async #move(from: string, file: string): Promise<void> {
    const to = this.path(file);
    try {
      return await renameFile(from, to);
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
    await makeFolder(dirname(to));
    return renameFile(from, to);
  }

  #durableFolders(): Promise<Set<string>> {
    this.#durable ??= this.#seeFolders().catch((error: unknown) => {
      this.#durable = undefined;
      throw error;
    });
    return this.#durable;
  }

  /** A run that was killed may have made some of them and synced the root no more. */
  async #seeFolders(): Promise<Set<string>> {
    const names = await readdir(this.#root);
    await this.#syncs.sync(this.#root);
    return new Set(names.map((name) => join(this.#root, name)));
  }

  /** Octets that are too large for the store. */
  async store(id: QueueId, octets: Uint8Array): Promise<string> {
    const path = join(this.#incoming, id);
    try {
      await writeSynced(path, octets);
    } catch (error) {
      // Half a file would take up the room that is missing.
      await removeFile(path);
      throw error;
    }
    return this.adopt(id, path);
  }

  /** The commit that names the file has settled, either way. */
  placed(id: QueueId): void {
    this.#placing.delete(id);
  }

  read(id: QueueId): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) this.#kept.set(id, { readers: 1, unlink: undefined });
    else kept.readers += 1;
  }

  /** Gives the file to unlink, if this was its last reader and its message is gone. */
  async release(id: QueueId): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    kept.readers -= 1;
    if (kept.readers > 0) return;
    this.#kept.delete(id);
    if (kept.unlink !== undefined) await this.#unlink(kept.unlink);
  }

  /** Its message is gone, and that is committed. */
  async end(id: QueueId, file: string): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) await this.#unlink(file);
    else kept.unlink = file;
  }

  /** Resolves when no file is being unlinked. */
  async idle(): Promise<void> {
    while (this.#unlinking.size > 0) await Promise.allSettled(this.#unlinking);
  }

  hold(): void {
    this.#holds += 1;
  }

  async letGo(): Promise<void> {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    const files = this.#held;
    this.#held = [];
    for (const file of files) await this.#unlink(file);
  }

  /**
   * Removes files that no message names and gives their number. Age is told by the file system's own clock, since
   * ours may be moved.
   */
  async sweep(which: 'all' | 'old', isNamed: (id: QueueId) => boolean): Promise<number> {
    const before = which === 'all' ? Number.POSITIVE_INFINITY : (await this.#fileTime()) - ORPHAN_AGE;
    let removed = 0;
    for (const folder of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, folder))) {
        const id = parseQueueId(name);
        const isWanted = id !== undefined && (this.#kept.has(id) || this.#placing.has(id) || isNamed(id));
        if (!isWanted && this.#holds === 0) removed += await removeOlder(join(this.#root, folder, name), before);
      }
    }
    for (const name of await readdir(this.#incoming)) removed += await removeOlder(join(this.#incoming, name), before);
    return removed;
  }

  async #unlink(file: string): Promise<void> {
    if (this.#holds > 0) return void this.#held.push(file);
    const unlinked = unlinkFile(this.path(file));
    this.#unlinking.add(unlinked);
    try {
      await unlinked;
    } finally {
      this.#unlinking.delete(unlinked);
    }
  }

  async #fileTime(): Promise<number> {
    const path = join(this.#incoming, CLOCK_FILE);
    await removeFile(path);
    await writeSynced(path, Buffer.alloc(0));
    const now = (await modifiedAt(path)) ?? 0;
    await removeFile(path);
    return now;
  }
}

export function fileOf(id: QueueId): string {
  return join(id.slice(-2), id);
}

async function removeOlder(path: string, before: number): Promise<number> {
  const modified = await modifiedAt(path);
  if (modified === undefined || modified >= before) return 0;
  await removeFile(path);
  return 1;
}
