/** Clients that behave badly: they say one octet a second, read nothing, hang up at every octet, or stop in the middle. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { LineClient } from '../../test/lib/line-client.ts';
import { Trickle } from './trickle.ts';

/** Connections are made a few at a time: the test is of what they do, not of the backlog. */
const AT_ONCE = 50;

export interface BadClients {
  /** Connections that the product has not ended. */
  readonly open: number;
  close(): void;
}

class Crowd implements BadClients {
  readonly sockets: Socket[] = [];

  get open(): number {
    return this.sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  dial(port: number): Socket {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => socket.destroy());
    this.sockets.push(socket);
    return socket;
  }
}

/** Each says a whole transaction, one octet in a second. */
export async function drippingClients(port: number, count: number): Promise<BadClients & { readonly octets: number }> {
  const crowd = new Crowd();
  const trickle = new Trickle(1000);
  const script = 'EHLO drip.test\r\nMAIL FROM:<drip@client.test>\r\nRCPT TO:<drip@good0.test>\r\nDATA\r\n';
  await inTurns(count, async () => {
    const socket = crowd.dial(port);
    socket.on('close', () => trickle.forget(socket));
    // The greeting first: whoever speaks before it is turned away at once.
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    socket.resume();
    trickle.send(socket, `${script}${'A: b\r\n'.repeat(1000)}`);
  });
  return {
    get open() {
      return crowd.open;
    },
    get octets() {
      return trickle.sent;
    },
    close: () => {
      trickle.stop();
      crowd.close();
    },
  };
}

/** Of all replies that are to be had for six octets the longest. */
const COMMANDS = Buffer.from('HELP\r\n'.repeat(1000));
/** What one of them says at most. A product that waits for its replies to be read has stopped reading long before. */
const DEAF_OCTETS = 64 << 20;

/** Each asks for help again and again and reads no reply; `octets`: how much of that the product has taken. */
export async function deafClients(port: number, count: number): Promise<BadClients & { readonly octets: number }> {
  const crowd = new Crowd();
  await inTurns(count, async () => {
    const socket = crowd.dial(port);
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    socket.pause();
    const speak = (): void => {
      while (socket.writable && socket.bytesWritten < DEAF_OCTETS)
        if (!socket.write(COMMANDS)) return void socket.once('drain', speak);
      return undefined;
    };
    speak();
  });
  return {
    get open() {
      return crowd.open;
    },
    get octets() {
      return crowd.sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
    },
    close: () => crowd.close(),
  };
}

export interface Cuts {
  readonly sessions: number;
  /** Whose last octet was said: the product may have it, or not. */
  readonly complete: readonly string[];
  /** Who hung up before: it cannot have it. */
  readonly incomplete: readonly string[];
}

/** Sessions as they should be, one for each octet of what a client says; each hangs up behind its octet. */
export async function cuttingClients(port: number, domain: string, every: number): Promise<Cuts> {
  const length = commandsOf('cut00000', domain).reduce((sum, { length }) => sum + length, 0);
  const ends = Array.from({ length: Math.ceil(length / every) }, (_, i) => Math.min(length, (i + 1) * every));
  const complete: string[] = [];
  const incomplete: string[] = [];
  await inTurns(ends.length * 2, async (n) => {
    const end = ends[n >> 1] ?? length;
    const name = `cut${String(n).padStart(5, '0')}`;
    (end === length ? complete : incomplete).push(`${name}@${domain}`);
    await cutAt(port, commandsOf(name, domain), end, n % 2 === 0 ? 'reset' : 'end');
  });
  return { sessions: ends.length * 2, complete, incomplete };
}

function commandsOf(name: string, domain: string): readonly string[] {
  return [
    'EHLO cut.test\r\n',
    `MAIL FROM:<cut@client.test>\r\n`,
    `RCPT TO:<${name}@${domain}>\r\n`,
    'DATA\r\n',
    `Subject: ${name}\r\n\r\nIt must be all here, or not be at all.\r\n..\r\n.\r\n`,
  ];
}

async function cutAt(port: number, commands: readonly string[], end: number, how: 'reset' | 'end'): Promise<void> {
  const client = await LineClient.to(port);
  try {
    await client.reply();
    let left = end;
    for (const command of commands) {
      const said = command.slice(0, left);
      left -= said.length;
      if (said === '') break;
      if (said.length < command.length || left === 0) await write(client.socket, said);
      else await client.say(command.slice(0, -2));
    }
  } catch {
    // A refusal or a hang-up by the server is no failure of this client: what arrives is what is judged.
  } finally {
    if (how === 'reset') client.socket.resetAndDestroy();
    else client.close();
  }
}

function write(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => socket.write(text, () => resolve()));
}

/** Each has said so many octets of its content, and then says nothing more. */
export async function stalledClients(
  port: number,
  { count, octets, recipient }: { readonly count: number; readonly octets: number; readonly recipient: string },
): Promise<BadClients & { readonly stalled: number }> {
  const crowd = new Crowd();
  let stalled = 0;
  const content = Buffer.from(`Subject: stalled\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(100, 'y'));
  const part = Buffer.concat([content, Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(octets / 72))]).subarray(0, octets);
  await inTurns(count, async () => {
    const client = await LineClient.greeted(port);
    crowd.sockets.push(client.socket);
    await client.say('MAIL FROM:<stalled@client.test>');
    await client.say(`RCPT TO:<${recipient}>`);
    await client.say('DATA');
    await write(client.socket, part.toString('latin1'));
    stalled += 1;
  });
  return {
    get open() {
      return crowd.open;
    },
    stalled,
    close: () => crowd.close(),
  };
}

async function inTurns(count: number, one: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const place = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, place));
}

/** For as long as something is to be looked at under load. */
export function during(seconds: number): Promise<void> {
  return pause(seconds * 1000);
}
