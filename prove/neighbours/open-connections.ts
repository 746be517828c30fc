/**
 * Connections as the system knows them: one that its other end has closed is over, though a program that reads nothing
 * has not seen it.
 */

import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';

/** By local port: the other ends of those that are open at both. */
export function openConnections(
  table: string = readFileSync('/proc/net/tcp', 'latin1'),
): ReadonlyMap<number, readonly string[]> {
  const open = new Map<number, string[]>();
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.split(':')[1] ?? '', 16);
    if (state !== ESTABLISHED || Number.isNaN(port)) continue;
    const others = open.get(port);
    if (others === undefined) open.set(port, [remote]);
    else others.push(remote);
  }
  return open;
}
