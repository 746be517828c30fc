/** When this system was last seen at work: the time of the last event in its log. */

import { open } from 'node:fs/promises';
import { type Instant } from '../lib/time.ts';
import { listSegments } from './segments.ts';

/** Longer than any line. */
const TAIL_OCTETS = 256 * 1024;
const AT = /"at":(\d{1,15})[^\n]*\n/g;

/** Undefined while there is no log, or none that is not compressed yet. */
export async function lastLoggedAt(folder: string): Promise<Instant | undefined> {
  const segments = await listSegments(folder).catch(() => []);
  for (const { path, compressed } of segments.toReversed()) {
    if (compressed) return undefined;
    const at = [...(await tailOf(path)).matchAll(AT)].at(-1)?.[1];
    // One that was begun and never written, or torn: the one before it tells.
    if (at !== undefined) return Number(at);
  }
  return undefined;
}

async function tailOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const octets = Buffer.alloc(Math.min(TAIL_OCTETS, size));
    const { bytesRead } = await file.read(octets, 0, octets.length, size - octets.length);
    return octets.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
