/** The version of an unpacked Debian package, as its changelog says. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

export function debianVersion(root: string, name: string): string {
  try {
    const packed = readFileSync(join(root, 'usr/share/doc', name, 'changelog.Debian.gz'));
    return /\(([^)]+)\)/.exec(gunzipSync(packed).toString())?.[1] ?? 'unknown';
  } catch {
    // Some systems leave documents out.
    return 'unknown';
  }
}
