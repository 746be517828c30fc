/**
 * The single-instance lock of a spool.
 *
 * The control socket tells who holds it (`control-lock.ts`), but two servers that start in the same instant
 * could both find it stale. On Linux an abstract socket named after the folder decides between them: the
 * kernel gives a name once and takes it back when its holder dies. Elsewhere the control socket is alone.
 */

import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import process from 'node:process';
import { controlSocket } from '../api/control-socket.ts';
import { holderOf } from './control-lock.ts';

export interface SpoolLock {
  release(): void;
}

/** Undefined: another server, or a command that works on the stopped spool, holds it. */
export async function takeSpoolLock(folder: string): Promise<SpoolLock | undefined> {
  const server = process.platform === 'linux' ? await bindAbstract(await nameOf(folder)) : createServer();
  if (server === undefined) return undefined;
  if ((await holderOf(controlSocket(folder))) === 'somebody') {
    server.close();
    return undefined;
  }
  return { release: () => void server.close() };
}

async function nameOf(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder);
  return `\0postrider-spool-${dev}-${ino}`;
}

function bindAbstract(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}
