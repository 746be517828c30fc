/** A small file system of its own, mounted for a spool, and filled at will. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/** Why none can be mounted here; undefined: it can. */
export function withoutMount(): string | undefined {
  if (process.platform !== 'linux') return 'mounts a small file system, on Linux only';
  if (process.getuid?.() !== 0) return 'only root may mount a small file system';
  const folder = mkdtempSync(join(tmpdir(), 'prove-mount-'));
  try {
    mount(folder, 1);
    unmount(folder);
    return undefined;
  } catch {
    return 'this container may not mount a small file system';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function mount(folder: string, mebibytes: number): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'none', folder], { stdio: 'ignore' });
}

/** Even if somebody still has files open there: it is gone when they close them. */
export function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
}

/** In the way of everybody else on the disk; not seen as part of the spool. */
const BALLAST = '.ballast';

/** Fills the disk but for so many octets. */
export function fill(folder: string, left: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const octets = Math.max(0, bavail * bsize - left);
  try {
    writeFileSync(join(folder, BALLAST), Buffer.alloc(octets), { flag: 'a' });
  } catch (error) {
    // What the product took meanwhile is missing for all of it: then it is as full as it can be.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

export async function makeRoom(folder: string): Promise<void> {
  await rm(join(folder, BALLAST), { force: true });
}
