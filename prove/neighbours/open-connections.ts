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

/**
 * How many were open at once: those to the port that stand in two looks at the table. One look takes its time, and what
 * was closed during it may stand there beside what was opened for it.
 */
export function openAtOnce(port: number, look: () => ReadonlyMap<number, readonly string[]> = openConnections): number {
  const before = new Set(look().get(port));
  return (look().get(port) ?? []).filter((local) => before.has(local)).length;
}
