/**
 * The spool's folder: closed to everybody else, and with nothing in it that is not ours.
 *
 *     store/      the LMDB environment           incoming/   content that workers are writing
 *     content/    large content, one file each   corrupt/    records that could not be read
 */

import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isCode, makeFolderSynced, syncFolder } from './files.ts';

export interface SpoolFolders {
  readonly store: string;
  readonly content: string;
  readonly incoming: string;
  readonly corrupt: string;
}

const PARTS = ['store', 'content', 'incoming', 'corrupt'] as const;
/** SQLite's, with what it keeps beside its file. */
const DIRECTORY = ['directory.db', 'directory.db-wal', 'directory.db-shm', 'directory.db-journal'] as const;
const ALSO_OURS = new Set<string>([
  ...PARTS,
  ...DIRECTORY,
  ...['acme', 'control.sock', 'events', 'mta-sts', 'pickup', 'reports', 'tls', 'tls-hosts', 'lost+found'],
]);
const GROUP_AND_OTHERS = 0o077;

export function foldersOf(folder: string): SpoolFolders {
  return {
    store: join(folder, 'store'),
    content: join(folder, 'content'),
    incoming: join(folder, 'incoming'),
    corrupt: join(folder, 'corrupt'),
  };
}

/** Makes what is missing. Throws, in words for an operator, when the folder must not be used as it is. */
export async function openFolders(folder: string): Promise<SpoolFolders> {
  const strange = await strangeIn(folder);
  if (strange !== undefined)
    throw new Error(`${folder} is not a spool: it holds '${strange}' and no store; name an empty folder, or a spool`);
  await makeFolderSynced(folder);
  await closeToOthers(folder);
  const folders = foldersOf(folder);
  for (const part of PARTS) {
    await mkdir(folders[part], { recursive: true, mode: 0o700 });
    await closeToOthers(folders[part]);
  }
  await syncFolder(folder);
  return folders;
}

/** What a folder holds that is no spool; undefined: nothing of the kind, or no such folder. Nothing is touched. */
export async function strangeIn(folder: string): Promise<string | undefined> {
  const names = await namesIn(folder);
  if (names.includes('store')) return undefined;
  return names.find((name) => !ALSO_OURS.has(name) && !name.startsWith('.'));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

async function closeToOthers(folder: string): Promise<void> {
  const { mode } = await stat(folder);
  if ((mode & GROUP_AND_OTHERS) === 0) return;
  try {
    await chmod(folder, 0o700);
  } catch (error) {
    if (!isCode(error, 'EPERM') && !isCode(error, 'EROFS')) throw error;
    throw new Error(
      `${folder} is open to other users (mode ${(mode & 0o777).toString(8)}) and cannot be closed to them: its owner must run chmod 700 on it.`,
      { cause: error },
    );
  }
}
