/** One SMTP connection of a person or a load generator: says a line, reads a reply. No TLS, no login. */

import { connect, type Socket } from 'node:net';
import { type Reply, replyText } from '../mail/reply.ts';
import { DataEncoder } from '../wire/smtp/client-content.ts';
import { ReplyReader } from '../wire/smtp/reply-reader.ts';
import { CommandFailure } from './context.ts';

const PATIENCE_MS = 60_000;

export interface Submission {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Buffer;
}

export interface Submitted {
  readonly refused: readonly { readonly recipient: string; readonly reply: string }[];
  /** The last word on the message; undefined when no recipient was taken. */
  readonly reply: Reply | undefined;
}

export class SmtpConversation {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader();
  readonly #where: string;
  #ended: string | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, where: string) {
    this.#socket = socket;
    this.#where = where;
    socket.setNoDelay(true);
    socket.setTimeout(PATIENCE_MS, () => this.#end(`says nothing for ${PATIENCE_MS / 1000} seconds`));
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      this.#wake?.();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(meaningOf(error)));
    socket.on('close', () => this.#end('closed the connection'));
  }

  /** Connects, waits for the greeting, says EHLO. */
  static async open(host: string, port: number, helloName: string): Promise<SmtpConversation> {
    const conversation = new SmtpConversation(connect({ host, port }), `${host}:${port}`);
    await conversation.#expect(220);
    conversation.write(`EHLO ${helloName}`);
    await conversation.#expect(250);
    return conversation;
  }

  write(...lines: readonly string[]): void {
    // A line end in an address or a name would be a command of its own.
    if (lines.some((line) => /[\r\n]/.test(line))) throw new CommandFailure('a line end in an address');
    this.#socket.write(lines.map((line) => `${line}\r\n`).join(''), 'utf8');
  }

  async reply(): Promise<Reply> {
    for (;;) {
      const read = this.#reader.next();
      if (read?.kind === 'reply') return read.reply;
      if (read?.kind === 'bad') throw new CommandFailure(`${this.#where} does not speak SMTP: ${read.reason}`);
      if (this.#ended !== undefined) throw new CommandFailure(`${this.#where} ${this.#ended}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** A whole transaction, in one go as far as the protocol lets it (RFC 2920). */
  async submit({ from, to, content }: Submission): Promise<Submitted> {
    const utf8 = [from, ...to].some((address) => /\P{ASCII}/u.test(address)) ? ' SMTPUTF8' : '';
    const eightBit = content.some((octet) => octet > 127) ? ' BODY=8BITMIME' : '';
    this.write(`MAIL FROM:<${from}>${eightBit}${utf8}`, ...to.map((recipient) => `RCPT TO:<${recipient}>`), 'DATA');
    const sender = await this.reply();
    const refused: { recipient: string; reply: string }[] = [];
    for (const recipient of to) {
      const reply = await this.reply();
      if (reply.code >= 300) refused.push({ recipient, reply: replyText(reply) });
    }
    const data = await this.reply();
    if (data.code !== 354) {
      const nobody = refused.length === to.length && sender.code < 300;
      this.write('RSET');
      await this.reply();
      return { refused, reply: nobody ? undefined : sender.code >= 300 ? sender : data };
    }
    const encoder = new DataEncoder();
    this.#socket.write(encoder.push(content));
    this.#socket.write(encoder.end());
    return { refused, reply: await this.reply() };
  }

  /** Says goodbye and does not wait for the answer. */
  close(): void {
    if (this.#ended === undefined) this.write('QUIT');
    this.#socket.end();
    this.#socket.unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #expect(code: number): Promise<void> {
    const reply = await this.reply();
    if (reply.code === code) return;
    this.destroy();
    throw new CommandFailure(`${this.#where} refuses: ${replyText(reply)}`);
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#socket.destroy();
    this.#wake?.();
  }
}

function meaningOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'takes no connections: is the server running? (`npm start`)';
  if (error.code === 'ENOTFOUND') return 'has no address';
  return `cannot be reached: ${error.message}`;
}
