/** An SMTP client that says what a test tells it to, octet for octet, and reads replies. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface HeardReply {
  readonly code: number;
  /** Without the code, one for each line. */
  readonly lines: readonly string[];
  /** All of it, as it came. */
  readonly text: string;
}

/** Written behind the paths, as they are. */
export interface TransactionParameters {
  readonly mail?: string;
  readonly rcpt?: string;
}

export class LineClient {
  readonly socket: Socket;
  #heard = '';
  #over = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    // A server may hang up on us in any way it likes; what it said before counts.
    socket.on('error', () => socket.destroy());
    socket.on('data', (text: string) => {
      this.#heard += text;
      this.#wake();
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.#over = true;
        this.#wake();
      });
  }

  static async to(port: number, host = '127.0.0.1'): Promise<LineClient> {
    const socket = connect({ port, host });
    await once(socket, 'connect');
    return new LineClient(socket);
  }

  /** Connected, greeted, and with the extensions that were offered. */
  static async greeted(port: number): Promise<LineClient> {
    const client = await LineClient.to(port);
    await client.reply();
    await client.say('EHLO client.test');
    return client;
  }

  /** The next whole reply. */
  async reply(): Promise<HeardReply> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\r\n/.exec(this.#heard);
      if (match !== null) {
        const text = match[0];
        this.#heard = this.#heard.slice(text.length);
        const lines = text
          .trimEnd()
          .split('\r\n')
          .map((line) => line.slice(4));
        return { code: Number(match[1]), lines, text };
      }
      if (!(await this.#more())) throw new Error(`closed after ${JSON.stringify(this.#heard)}`);
    }
  }

  /** One command, one reply. */
  async say(command: string): Promise<HeardReply> {
    this.write(Buffer.from(`${command}\r\n`));
    return this.reply();
  }

  write(octets: string | Buffer): void {
    this.socket.write(octets);
  }

  /** What is left unread is all that came before the server closed. */
  async closed(): Promise<string> {
    while (await this.#more());
    return this.#heard;
  }

  close(): void {
    this.socket.destroy();
  }

  /**
   * A whole transaction by DATA, dots stuffed here: the replies to MAIL, to each RCPT, to DATA and to the content.
   * The content ends with a line end.
   */
  async send(
    from: string,
    to: readonly string[],
    content: Buffer | string,
    parameters: TransactionParameters = {},
  ): Promise<readonly HeardReply[]> {
    const { mail, rcpt } = parameters;
    const replies = [await this.say(`MAIL FROM:<${from}>${mail === undefined ? '' : ` ${mail}`}`)];
    for (const recipient of to)
      replies.push(await this.say(`RCPT TO:<${recipient}>${rcpt === undefined ? '' : ` ${rcpt}`}`));
    replies.push(await this.say('DATA'));
    if (replies.at(-1)!.code !== 354) return replies;
    this.write(
      Buffer.from(
        (typeof content === 'string' ? Buffer.from(content) : content)
          .toString('latin1')
          .replace(/(^|\r\n)\./g, '$1..'),
        'latin1',
      ),
    );
    replies.push(await this.say('.'));
    return replies;
  }

  /** Something has come, or the end. */
  async #more(): Promise<boolean> {
    if (this.#over) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    return true;
  }
}
