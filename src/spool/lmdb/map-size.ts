/**
 * How much address space to take for the store's map: more than any spool needs, since a map that grows leaves the
 * old ones in place. Under a limit on address space (`ulimit -v`, `LimitAS=`) a part of it: the library ends the
 * process by a fault when it cannot have what it asks for, and grows a smaller map by itself.
 */

import { readFile } from 'node:fs/promises';

const PLENTY = 2 ** 40;
const PART_OF_LIMIT = 8;

export async function mapOctets(): Promise<number> {
  const limit = addressSpaceLimit(await limits());
  return limit === undefined ? PLENTY : Math.min(PLENTY, Math.floor(limit / PART_OF_LIMIT));
}

/** From the text of `/proc/self/limits`; undefined when there is no limit. */
export function addressSpaceLimit(text: string): number | undefined {
  const [, octets] = /^Max address space +(\d+) /m.exec(text) ?? [];
  return octets === undefined ? undefined : Number(octets);
}

async function limits(): Promise<string> {
  try {
    return await readFile('/proc/self/limits', 'utf8');
  } catch {
    // Not Linux, or a container without it: no limit that we could know of.
    return '';
  }
}
