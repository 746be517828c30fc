/** Files and folders made durable. A name is on disk only when its folder is synced too. */

import { rename, unlink } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SpoolError } from '../spool.ts';

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A new file with these octets, synced; its folder is not. */
export async function writeSynced(path: string, octets: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(octets);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Like `rename`, durable in both folders when it resolves. */
export async function renameSynced(from: string, to: string, folders: readonly string[]): Promise<void> {
  await renameFile(from, to);
  for (const folder of folders) await syncFolder(folder);
}

export function renameFile(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    rename(from, to, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Makes a folder and those above it, and their names durable; the name of a folder that is there is synced again, since
 * whoever made it may have ended before it had done that.
 */
export async function makeFolderSynced(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  const first = made === undefined ? resolve(path) : resolve(made);
  for (let at = resolve(path); ; at = dirname(at)) {
    await syncFolder(dirname(at)).catch((error: unknown) => {
      // What we may not even look into was not made by us.
      if (made !== undefined || !isCode(error, 'EACCES')) throw error;
    });
    if (at === first || at === dirname(at)) return;
  }
}

/** Unless it is there. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** In one call where `removeFile` takes two. The file may be gone. */
export function unlinkFile(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    unlink(path, (error) => (error && error.code !== 'ENOENT' ? reject(error) : resolve()));
  });
}

/** When the file was last written, or undefined when it is gone. */
export async function modifiedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * What a failure to store a content file means for the caller. Nothing was written and the spool goes on, whether the
 * disk is full or the file's own fsync failed: `full` says that. The store is not touched by it, so it is not broken.
 */
export function asSpoolError(error: unknown): Error {
  if (isCode(error, 'ENOENT')) return new Error('a content file does not exist', { cause: error });
  return new SpoolError('full', `a content file could not be stored: ${String(error)}`, { cause: error });
}
