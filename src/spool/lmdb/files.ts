/** Files and folders made durable. A name is on disk only when its folder is synced too. */

import { rename, unlink } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
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

export function renameFile(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    rename(from, to, (error) => (error ? reject(error) : resolve()));
  });
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
