/** As much of IMAP and POP3 as it takes to read a mailbox back, octet for octet. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Octets of a connection, read by line or by number. */
class Reading {
  readonly #socket: Socket;
  #octets: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async to(port: number): Promise<Reading> {
    const socket = connect({ port, host: '127.0.0.1' });
    await once(socket, 'connect');
    return new Reading(socket);
  }

  write(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#octets.indexOf('\r\n');
      if (end !== -1) return (await this.octets(end + 2)).toString('latin1', 0, end);
      await this.#more();
    }
  }

  async octets(count: number): Promise<Buffer> {
    while (this.#octets.length < count) await this.#more();
    const taken = this.#octets.subarray(0, count);
    this.#octets = this.#octets.subarray(count);
    return taken;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #more(): Promise<void> {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk !== null) this.#octets = Buffer.concat([this.#octets, chunk]);
    else if (this.#socket.readableEnded || this.#socket.destroyed) throw new Error('the server closed the connection');
    else await Promise.race([once(this.#socket, 'readable'), once(this.#socket, 'end')]);
  }
}

export interface Login {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** All messages of INBOX by IMAP (RFC 9051), oldest first. */
export async function fetchByImap({ port, user, password }: Login): Promise<readonly Buffer[]> {
  const server = await Reading.to(port);
  const messages: Buffer[] = [];
  let empty = false;
  const tell = async (command: string) => {
    server.write(`a ${command}`);
    for (;;) {
      const line = await server.line();
      if (line === '* 0 EXISTS') empty = true;
      const literal = /\{(\d+)\}$/.exec(line)?.[1];
      if (literal !== undefined) messages.push(await server.octets(Number(literal)));
      if (!line.startsWith('a ')) continue;
      if (!line.startsWith('a OK')) throw new Error(`${command}: ${line}`);
      return;
    }
  };
  try {
    await server.line();
    await tell(`LOGIN "${user}" "${password}"`);
    await tell('SELECT INBOX');
    if (!empty) await tell('FETCH 1:* BODY.PEEK[]');
    await tell('LOGOUT');
    return messages;
  } finally {
    server.close();
  }
}

/** All messages by POP3 (RFC 1939), oldest first; nothing is deleted. */
export async function fetchByPop3({ port, user, password }: Login): Promise<readonly Buffer[]> {
  const server = await Reading.to(port);
  const tell = async (command: string | undefined) => {
    if (command !== undefined) server.write(command);
    const line = await server.line();
    if (!line.startsWith('+OK')) throw new Error(`${command}: ${line}`);
    return line;
  };
  try {
    await tell(undefined);
    await tell(`USER ${user}`);
    await tell(`PASS ${password}`);
    const count = Number((await tell('STAT')).split(' ')[1]);
    const messages: Buffer[] = [];
    for (let at = 1; at <= count; at += 1) {
      await tell(`RETR ${at}`);
      messages.push(await dotStuffed(server));
    }
    await tell('QUIT');
    return messages;
  } finally {
    server.close();
  }
}

async function dotStuffed(server: Reading): Promise<Buffer> {
  const lines: Buffer[] = [];
  for (;;) {
    const line = await server.line();
    if (line === '.') return Buffer.concat(lines);
    lines.push(Buffer.from(`${line.startsWith('.') ? line.slice(1) : line}\r\n`, 'latin1'));
  }
}
