/**
 * The pickup folder on disk, as the server makes it.
 *
 *     <folder>/drop/    where `sendmail` puts files: others may make files in it, and neither list nor remove any
 *     <folder>/bad/     files that were no messages; nothing is ever deleted there
 *
 * Open to all users it is: `drop` has mode 3733, so that the sticky bit keeps everybody from other people's files, and
 * the group bit gives them to the server's group, which reads them (mode 0640). Closed (inside the spool): mode 0700.
 */

import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { isCode, makeFolderSynced, syncFolder } from '../spool/lmdb/files.ts';

export interface PickupFolders {
  readonly drop: string;
  readonly bad: string;
}

export type PickupAccess = 'users' | 'owner';

const MODES: Readonly<Record<PickupAccess, { readonly folder: number; readonly drop: number }>> = {
  users: { folder: 0o711, drop: 0o3733 },
  owner: { folder: 0o700, drop: 0o700 },
};
const BAD_MODE = 0o700;
const GROUP_BIT = 0o2000;
const PERMISSIONS = 0o7777;

function pickupFolders(folder: string): PickupFolders {
  return { drop: join(folder, 'drop'), bad: join(folder, 'bad') };
}

/** Makes what is missing. Throws, in words for an operator, when the folder must not be used as it is. */
export async function openPickupFolders(folder: string, access: PickupAccess): Promise<PickupFolders> {
  const folders = pickupFolders(folder);
  const modes = MODES[access];
  await makeFolderSynced(folder);
  await makeOurs(folder, modes.folder);
  await makeOurs(folders.drop, modes.drop);
  await makeOurs(folders.bad, BAD_MODE);
  await syncFolder(folder);
  return folders;
}

async function makeOurs(path: string, mode: number): Promise<void> {
  await mkdir(path, { mode: mode & 0o777 }).catch((error: unknown) => {
    if (!isCode(error, 'EEXIST')) throw error;
  });
  const facts = await lstat(path);
  // Whoever owns a folder can take away or list what is put into it; in a sticky one nobody else can remove anything.
  if (!facts.isDirectory() || facts.uid !== (process.getuid?.() ?? facts.uid))
    throw new Error(`${path} is not a folder of this user: remove it, or name another pickup.folder`);
  if ((mode & GROUP_BIT) !== 0) checkGroup(path, facts.gid);
  if ((facts.mode & PERMISSIONS) === mode) return;
  try {
    await chmod(path, mode);
  } catch (error) {
    if (!isCode(error, 'EPERM') && !isCode(error, 'EROFS')) throw error;
  }
  // A filter may take a bit away without a word.
  if (((await lstat(path)).mode & PERMISSIONS) === mode) return;
  const octal = mode.toString(8).padStart(4, '0');
  throw new Error(
    `${path} must have mode ${octal} and cannot be given it here: run install -d -m ${octal} -o <user> -g <group of the server> ${path}`,
  );
}

/** What is put into the folder gets its group, by which the server reads it. */
function checkGroup(path: string, group: number): void {
  const groups = [process.getegid?.() ?? group, ...(process.getgroups?.() ?? [])];
  if (process.getuid?.() !== 0 && !groups.includes(group))
    throw new Error(
      `${path} belongs to group ${group}, of which this user is none: give it the server's own with chgrp`,
    );
}
