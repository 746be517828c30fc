/**
 * Whether the ports of listeners are free.
 *
 * Workers share their ports (`reusePort`), and the system lets any other program of the same user share them too:
 * two servers on one port would each get half of the connections without a word. So each port is opened once
 * alone, before the workers open it together.
 */

import { createServer } from 'node:net';
import { listenReason } from '../lib/listen-reason.ts';
import { type Config } from '../config/config.ts';

type Listener = Config['listeners'][number];

/** Rejects with the name of the listener whose port is taken. `ours`: listeners that are open here already. */
export async function checkPorts(listeners: readonly Listener[], ours: readonly Listener[] = []): Promise<void> {
  const held = new Set(ours.map(placeOf));
  for (const listener of listeners) if (listener.port !== 0 && !held.has(placeOf(listener))) await checkPort(listener);
}

/** The text says which port, and what to do. */
export class ListenProblem extends Error {}

export function listenProblem(what: string, { host, port }: Pick<Listener, 'host' | 'port'>, error: unknown): Error {
  return new ListenProblem(`${what} cannot listen on ${host} port ${port}: ${listenReason(error)}`, { cause: error });
}

function placeOf({ host, port }: Listener): string {
  return `${host} ${port}`;
}

async function checkPort(listener: Listener): Promise<void> {
  const { host, port } = listener;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    throw listenProblem(`listener ${listener.name}`, listener, error);
  } finally {
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  }
}
