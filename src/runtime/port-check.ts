/**
 * Whether the ports of listeners are free.
 *
 * Workers share their ports (`reusePort`), and the system lets any other program of the same user share them too:
 * two servers on one port would each get half of the connections without a word. So each port is opened once
 * alone, before the workers open it together.
 */

import { createServer } from 'node:net';
import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';

type Listener = Config['listeners'][number];

/** Rejects with the name of the listener whose port is taken. `ours`: listeners that are open here already. */
export async function checkPorts(listeners: readonly Listener[], ours: readonly Listener[] = []): Promise<void> {
  const held = new Set(ours.map(placeOf));
  for (const listener of listeners) if (listener.port !== 0 && !held.has(placeOf(listener))) await checkPort(listener);
}

export function listenProblem(what: string, { host, port }: Pick<Listener, 'host' | 'port'>, error: unknown): Error {
  return new Error(`${what} cannot listen on ${host} port ${port}: ${reasonOf(error)}`, { cause: error });
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

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') return 'another program listens there; stop it, or choose another port';
  if (code === 'EACCES')
    return 'ports below 1024 need CAP_NET_BIND_SERVICE (packaging/postrider.service gives it); or choose a higher one';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address';
  return errorText(error);
}
