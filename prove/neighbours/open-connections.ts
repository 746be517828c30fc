/**
 * Connections as the system knows them at the end that dialled. What the other end sees is no measure: one that reads
 * nothing does not come to the close, which stands behind what it has not read.
 */

import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';

/** By the port that was dialled: the dialling ends of those that are open there. */
export function openConnections(
  table: string = readFileSync('/proc/net/tcp', 'latin1'),
): ReadonlyMap<number, readonly string[]> {
  const open = new Map<number, string[]>();
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state] = line.trim().split(/\s+/);
    const port = Number.parseInt(remote.split(':')[1] ?? '', 16);
    if (state !== ESTABLISHED || Number.isNaN(port)) continue;
    const others = open.get(port);
    if (others === undefined) open.set(port, [local]);
    else others.push(local);
  }
  return open;
}
