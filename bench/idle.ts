/** What a connection costs that does nothing: anonymous memory, after the greeting or after the TLS handshake. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as pause } from 'node:timers/promises';
import { type Figures } from './measure.ts';
import { type MeasuredServer } from './servers.ts';

export interface IdleOptions {
  readonly connections: number;
  readonly tls: boolean;
}

/** Long enough for the server to give back what it needed for a moment. */
const REST = 1000;
const AT_ONCE = 50;

/** They are opened twice: the first time, for what the server takes once and keeps. */
export async function measureIdle(server: MeasuredServer, options: IdleOptions): Promise<Figures> {
  await whileOpen(server, options, async () => undefined);
  await pause(REST);
  const before = server.usage().anonymous;
  return whileOpen(server, options, async () => {
    await pause(REST);
    const taken = server.usage().anonymous - before;
    return { kibPerConnection: taken / options.connections, anonymousMib: before / 1024 };
  });
}

async function whileOpen<T>(server: MeasuredServer, options: IdleOptions, work: () => Promise<T>): Promise<T> {
  const sockets: Socket[] = [];
  try {
    while (sockets.length < options.connections) {
      const count = Math.min(AT_ONCE, options.connections - sockets.length);
      const opened = Array.from({ length: count }, () => open(server.port, options.tls));
      sockets.push(...(await Promise.all(opened)));
    }
    return await work();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function open(port: number, tls: boolean): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  await reply(socket, '220');
  if (!tls) return socket;
  socket.write('EHLO idle.test\r\n');
  await reply(socket, '250');
  socket.write('STARTTLS\r\n');
  await reply(socket, '220');
  return new Promise((resolve, reject) => {
    // Whose certificate it is does not matter here: the server made it itself.
    const secure = connectTls({ socket, rejectUnauthorized: false }, () => resolve(secure));
    secure.once('error', reject);
    secure.on('error', () => secure.destroy());
  });
}

function reply(socket: Socket, code: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (chunk: Buffer) => {
      socket.removeListener('error', reject);
      socket.on('error', () => socket.destroy());
      const text = chunk.toString('latin1');
      if (text.startsWith(code)) resolve();
      else reject(new Error(`a connection was told ${text.trim()}`));
    });
  });
}
