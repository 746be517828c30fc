/** Opens a spool's folder: makes it, checks it, and joins the parts. Each folder is open once in a process. */

import { mkdir, realpath, rm, statfs } from 'node:fs/promises';
import { join as joined } from 'node:path';
import { type Log } from '../../ports/log.ts';
import { type Timers } from '../../ports/timers.ts';
import { type SpoolError } from '../spool.ts';
import { Committer } from './commit.ts';
import { ContentFiles } from './content-files.ts';
import { renameSynced } from './files.ts';
import { openFolders, type SpoolFolders } from './folder.ts';
import { mapOctets } from './map-size.ts';
import { LmdbSpool } from './lmdb-spool.ts';
import { Planner } from './plan.ts';
import { setAsideInto } from './set-aside.ts';
import { openState, type SpoolState } from './state.ts';
import { Store, type StoreOptions } from './store.ts';
import { checkStoreFile, DATA_FILE } from './store-file.ts';

export interface LmdbSpoolOptions {
  readonly folder: string;
  readonly log: Log;
  readonly timers: Timers;
  /** Free octets of the disk; asked of the file system by default. */
  readonly freeOctets?: () => Promise<number>;
  /** Called once, when the store can no longer be trusted: the process must end. */
  readonly onBroken: (error: SpoolError) => void;
}

/**
 * Folders that are open in this process. Closing any descriptor of a file drops the locks that the process holds
 * on it, so that a second opening would take the lock of the first away when it ends.
 */
const openStores = new Set<string>();

export async function openLmdbSpool(options: LmdbSpoolOptions): Promise<LmdbSpool> {
  const { folder } = options;
  const folders = await openFolders(folder);
  const freeOctets = options.freeOctets ?? (() => diskFree(folder));
  const { store, onClosed } = await openStore(folders, freeOctets);
  try {
    const spool = join(options, { folders, store, onClosed, freeOctets, state: await openState(store) });
    await spool.sweep('all');
    return spool;
  } catch (error) {
    await store.close();
    onClosed();
    throw error;
  }
}

/** The store alone. Throws when this process has it open. */
export async function openStore(
  folders: SpoolFolders,
  freeOctets: () => Promise<number>,
): Promise<{ store: Store; onClosed: () => void }> {
  const path = await realpath(folders.store);
  if (openStores.has(path)) throw new Error(`the spool in ${folders.store} is open in this process already`);
  openStores.add(path);
  try {
    const options = { folder: path, mapOctets: await mapOctets(), freeOctets };
    if ((await checkStoreFile(path)) === 'none') await makeStore(options);
    const store = new Store(options);
    return { store, onClosed: () => void openStores.delete(path) };
  } catch (error) {
    openStores.delete(path);
    throw new Error(`the store in ${folders.store} cannot be opened: ${String(error)}`, { cause: error });
  }
}

/**
 * A new store comes into its place when all of it is on disk: the library writes a file of its own bit by bit, and does
 * not know one again in which a power cut has left half of its first pages.
 */
async function makeStore(options: StoreOptions): Promise<void> {
  const fresh = joined(options.folder, '.new');
  // What a start that was cut short has left.
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  const store = new Store({ ...options, folder: fresh });
  // Its first commit syncs what was written before it.
  await openState(store);
  await store.close();
  await renameSynced(joined(fresh, DATA_FILE), joined(options.folder, DATA_FILE), [options.folder]);
  await rm(fresh, { recursive: true });
}

export async function diskFree(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

interface Opened {
  readonly folders: SpoolFolders;
  readonly store: Store;
  readonly onClosed: () => void;
  readonly freeOctets: () => Promise<number>;
  readonly state: SpoolState;
}

function join({ log, timers, onBroken }: LmdbSpoolOptions, opened: Opened): LmdbSpool {
  const { folders, store, state } = opened;
  const planner = new Planner(store, state);
  const files = new ContentFiles(folders.content, folders.incoming);
  const committer = new Committer({
    store,
    planner,
    timers,
    onBroken,
    onCommitted: (plan) => {
      for (const { message, file } of plan.files)
        // A file that stays is an orphan; the sweep takes it.
        files.end(message, file).catch((error: unknown) => log.warn('a content file stays', { why: String(error) }));
    },
  });
  const drop = (key: string, seen: Buffer): Promise<unknown> => committer.submit({ kind: 'drop', key, seen });
  const setAside = setAsideInto({ store, folder: folders.corrupt, log, drop });
  return new LmdbSpool({ ...opened, planner, committer, files, setAside, log, timers });
}
