/** Where a server is asked: a socket in the folder of its spool. */

import { join } from 'node:path';

export function controlSocket(spoolFolder: string): string {
  return join(spoolFolder, 'control.sock');
}

/** Of a socket's path on Linux; the closing NUL has the 108th. */
const MAX_PATH_OCTETS = 107;

/** Why nobody can listen there; undefined: its path is short enough. */
export function pathTooLong(socketPath: string): string | undefined {
  const octets = Buffer.byteLength(socketPath);
  if (octets <= MAX_PATH_OCTETS) return undefined;
  return `the path of the control socket, ${socketPath}, has ${octets} octets, and ${MAX_PATH_OCTETS} is the most`;
}
