/**
 * Syncs folders for many at once: whoever asks while a sync of that folder is under way waits for the next one, which
 * serves all that asked meanwhile. So each asker has a sync that began after it asked.
 */

import { closeSync, fsync, openSync } from 'node:fs';

interface Syncing {
  readonly running: Promise<void>;
  next: Promise<void> | undefined;
}

export class FolderSyncs {
  readonly #syncing = new Map<string, Syncing>();

  /** The names in the folder, as they are now, are on disk when it resolves. */
  sync(path: string): Promise<void> {
    const syncing = this.#syncing.get(path);
    if (syncing === undefined) return this.#start(path);
    // That the running one fails says nothing of the next, and its own askers hear of it.
    syncing.next ??= syncing.running.catch(() => undefined).then(() => this.#start(path));
    return syncing.next;
  }

  #start(path: string): Promise<void> {
    const running = syncFolderNow(path);
    const syncing: Syncing = { running, next: undefined };
    this.#syncing.set(path, syncing);
    const ended = (): void => {
      if (syncing.next === undefined) this.#syncing.delete(path);
    };
    running.then(ended, ended);
    return running;
  }
}

/** Opening and closing a folder that was just written to asks no disk; a hop to another thread for each costs more. */
function syncFolderNow(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const folder = openSync(path, 'r');
    fsync(folder, (error) => {
      closeSync(folder);
      if (error) reject(error);
      else resolve();
    });
  });
}
