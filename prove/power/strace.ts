/** Programs under strace: everything they do to a disk, and what they say to their clients. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';

/** Whatever changes a disk or could do so unseen. A name that this kernel or strace does not know is left out. */
const CALLS = [
  ...['openat', 'open', 'creat', 'close', 'lseek'],
  ...['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2', 'sendfile', 'copy_file_range', 'splice'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'msync', 'ftruncate', 'truncate', 'fallocate', 'mmap'],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'unlink', 'unlinkat'],
  ...['mkdir', 'mkdirat', 'rmdir', 'sendto', 'sendmsg', 'io_uring_setup'],
];
/** Longer than any single write. */
const STRING_OCTETS = 16 * 1024 * 1024;

/** The beginning of a command line: what follows is traced into the file. */
export function straceInto(file: string): readonly string[] {
  const calls = CALLS.map((name) => `?${name}`).join(',');
  return [
    ...['strace', '-f', '--seccomp-bpf', '-ttt', '-yy', '-xx', '-s', String(STRING_OCTETS)],
    ...['-e', `trace=${calls}`, '-e', 'signal=none', '-o', file],
  ];
}

/** File operations stay system calls of their own, each of which is seen. */
export const NO_RINGS = { UV_USE_IO_URING: '0' } as const;

/** Why nothing can be traced here; undefined: it can. */
export function straceMissing(): string | undefined {
  if (process.platform !== 'linux') return `strace traces Linux only, and this is ${process.platform}`;
  const [file = '', ...args] = straceInto('/dev/null');
  const { error, status, stderr } = spawnSync(file, [...args, process.execPath, '--version'], { encoding: 'utf8' });
  if (error !== undefined) return `strace cannot be started: ${error.message}`;
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim().slice(0, 300)}`;
}

/**
 * Ends what strace runs as an operator would: strace itself takes no signal, so it goes to the parent of the process
 * that answers.
 */
export function terminateParentOf(pid: number): void {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) throw new Error(`no process ${pid}`);
  const text = readFileSync(stat, 'latin1');
  const [, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  process.kill(Number(parent), 'SIGTERM');
}
