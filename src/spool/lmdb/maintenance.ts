/**
 * What an operator does to a spool as a whole: compact it, copy it, check it.
 *
 * A path is for a spool that no process has open: the caller holds the lock that `serve` takes. A backup may also
 * be taken of an open spool. None of these opens a store that this process has open already.
 */

import { constants, copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeMessage } from '../codec.ts';
import { type CheckReport, checkStore } from './check-store.ts';
import { isCode, makeFolder, syncFolder } from './files.ts';
import { foldersOf, type SpoolFolders } from './folder.ts';
import { LmdbSpool } from './lmdb-spool.ts';
import { diskFree, openStore } from './open.ts';
import { openState, type SpoolState } from './state.ts';
import { type Store } from './store.ts';
import { walk } from './walk.ts';

export { type CheckReport } from './check-store.ts';

const DATA = 'data.mdb';

export interface CompactReport {
  readonly octetsBefore: number;
  readonly octetsAfter: number;
}

export interface BackupReport {
  readonly messages: number;
  readonly files: number;
}

/** Writes the store anew without its free pages. Needs as much free disk as the records take. */
export async function compactSpool(folder: string): Promise<CompactReport> {
  const folders = foldersOf(folder);
  const fresh = `${folders.store}.compact`;
  // What a run that was cut short has left.
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await withStore(folder, (store) => store.copyTo(fresh));
  const octetsBefore = await sizeOf(join(folders.store, DATA));
  const octetsAfter = await syncFile(join(fresh, DATA));
  await rename(join(fresh, DATA), join(folders.store, DATA));
  await syncFolder(folders.store);
  await rm(fresh, { recursive: true });
  return { octetsBefore, octetsAfter };
}

/**
 * Copies a spool into an empty or new folder, which is then a spool as this one was at one moment: first a snapshot
 * of the store, then the content files that it names, which are not unlinked meanwhile.
 */
export async function backupSpool(source: LmdbSpool | string, target: string): Promise<BackupReport> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  if ((await readdir(target)).length > 0) throw new Error(`${target} is not empty: a backup goes into a new folder`);
  const copy = (store: Store, from: SpoolFolders): Promise<BackupReport> => copySpool(store, from, target);
  if (source instanceof LmdbSpool) return source.whileHeld(copy);
  return withStore(source, (store) => copy(store, foldersOf(source)));
}

/** Finds what does not belong together. Changes nothing. */
export async function checkSpool(folder: string): Promise<CheckReport> {
  return withStore(folder, (store, state) => checkStore(store, foldersOf(folder), state));
}

async function copySpool(store: Store, from: SpoolFolders, target: string): Promise<BackupReport> {
  const to = foldersOf(target);
  for (const folder of [to.store, to.content, to.incoming, to.corrupt]) await mkdir(folder, { mode: 0o700 });
  await store.copyTo(to.store);
  await syncFile(join(to.store, DATA));
  await syncFolder(to.store);
  const report = await withStore(target, (snapshot) => copyFiles(snapshot, from, to));
  for (const folder of [to.content, target, dirname(target)]) await syncFolder(folder);
  return report;
}

async function copyFiles(snapshot: Store, from: SpoolFolders, to: SpoolFolders): Promise<BackupReport> {
  const folders = new Set<string>();
  let messages = 0;
  let files = 0;
  for await (const key of walk(snapshot, 'message/')) {
    messages++;
    const file = fileIn(snapshot.text(key));
    if (file === undefined) continue;
    const folder = join(to.content, dirname(file));
    await makeFolder(folder);
    folders.add(folder);
    await copyFile(join(from.content, file), join(to.content, file), constants.COPYFILE_FICLONE);
    await syncFile(join(to.content, file));
    files++;
  }
  for (const folder of folders) await syncFolder(folder);
  return { messages, files };
}

function fileIn(json: string | undefined): string | undefined {
  if (json === undefined) return undefined;
  try {
    return decodeMessage(json).content.file;
  } catch {
    // A record that cannot be read is in the copy as it is here; `check` tells of it.
    return undefined;
  }
}

async function withStore<T>(folder: string, use: (store: Store, state: SpoolState) => Promise<T>): Promise<T> {
  const folders = foldersOf(folder);
  if (!(await exists(join(folders.store, DATA)))) throw new Error(`${folder} is not a spool: it has no store`);
  const { store, onClosed } = await openStore(folders, () => diskFree(folder));
  try {
    return await use(store, await openState(store));
  } finally {
    await store.close();
    onClosed();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await readdir(dirname(path))).includes(basename(path));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** Gives the size. */
async function syncFile(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
