/**
 * The control socket as the lock of a spool: only one server may have a spool open, and it is the one that
 * answers there.
 *
 * ECONNREFUSED and ENOENT mean that nobody does. Any other failure to connect, silence too, means that
 * somebody might: two servers on one spool would deliver everything twice.
 */

import { unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { pathTooLong } from '../api/control-socket.ts';

const ANSWER_WITHIN_MS = 2000;

/** Why nobody can listen there, and what to do; undefined: its path is short enough. */
export function tooLong(socketPath: string): readonly [what: string, fix: string] | undefined {
  const what = pathTooLong(socketPath);
  return what === undefined ? undefined : [what, 'give spool.folder a shorter name'];
}

export type Holder = 'nobody' | 'somebody';

/** Whether a server holds the spool. A socket that was left behind by a dead server is removed. Rejects where no socket can be. */
export async function holderOf(socketPath: string): Promise<Holder> {
  const why = tooLong(socketPath);
  if (why !== undefined) throw new Error(why.join('; '));
  const code = await connectError(socketPath);
  if (code === 'ENOENT') return 'nobody';
  if (code !== 'ECONNREFUSED') return 'somebody';
  await unlink(socketPath).catch(() => undefined); // Removed by whoever is starting too: the bind will tell.
  return 'nobody';
}

/** The code of the failure; `undefined` when the connection was made. */
function connectError(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (code: string | undefined): void => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => end('silent'));
    socket.once('connect', () => end(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'unknown'));
  });
}
