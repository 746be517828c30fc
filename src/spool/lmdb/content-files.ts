/**
 * Large content: one file a message, in `content/<last two characters of the id>/<id>`.
 *
 * A file is in its place, and its folders are synced, before the commit that names it, and it is unlinked only
 * after the commit that ended its message and when nobody reads it. So a crash leaves at most a file too many:
 * the sweep, when the spool opens and every hour, removes those.
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HOUR } from '../../lib/time.ts';
import { parseQueueId, type QueueId } from '../../mail/queue-id.ts';
import { makeFolder, modifiedAt, removeFile, renameSynced, syncFolder, writeSynced } from './files.ts';

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
  /** Folders whose names are durable: as many at most as an id has endings. */
  readonly #named = new Set<string>();
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
    const folder = join(this.#root, file, '..');
    this.#placing.add(id);
    await this.#makeFolder(folder);
    await renameSynced(path, join(this.#root, file), [folder, join(path, '..')]);
    return file;
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

  /** One that is there may have been made a moment ago for another message, or by a run that ended early. */
  async #makeFolder(folder: string): Promise<void> {
    await makeFolder(folder);
    if (this.#named.has(folder)) return;
    await syncFolder(this.#root);
    this.#named.add(folder);
  }

  async #unlink(file: string): Promise<void> {
    if (this.#holds > 0) return void this.#held.push(file);
    const unlinked = removeFile(this.path(file));
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
