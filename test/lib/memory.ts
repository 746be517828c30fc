/** Memory of a process that is its own. */

import { readFileSync } from 'node:fs';

/** Octets. Pages of a mapped file, such as the spool's store, are the system's cache and do not count. */
export function anonymousMemory(pid: number): number {
  const [, kib = '0'] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}
