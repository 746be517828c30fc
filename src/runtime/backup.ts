/**
 * A backup: a spool as it was at one moment, with the directory and what ACME has brought, each as it was a moment later.
 *
 * Leaves out what is found or made anew: the event log and its history, the self-made certificate, what is remembered of other
 * servers (MTA-STS policies, who encrypts), TLS reports on their way, and the pickup folder.
 */

import { existsSync } from 'node:fs';
import { acmeFiles, copyAcmeFiles } from '../acme/files.ts';
import { type BackedUp } from '../api/contract.ts';
import { backupDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { syncFolder } from '../spool/lmdb/files.ts';
import { type LmdbSpool } from '../spool/lmdb/lmdb-spool.ts';
import { backupSpool } from '../spool/lmdb/maintenance.ts';
import { directoryFile } from './directory-operations.ts';

/** On disk when it resolves. Rejects when there is something in the target. */
export async function backUp(spool: LmdbSpool, folder: string, target: string): Promise<BackedUp> {
  const report = await backupSpool(spool, target);
  backupDirectory(directoryFile(folder), directoryFile(target));
  await copyAcmeFiles(folder, target);
  const { folder: acme } = acmeFiles(target);
  if (existsSync(acme)) await syncFolder(acme);
  await syncFolder(target);
  return report;
}
