/**
 * A next hop for load: takes mail on many connections and ports, pipelined, and remembers each copy.
 *
 * It knows only what a well-behaved client says. What it is told to do per recipient (wait, refuse) is asked when
 * the content has come.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Copy {
  /** The first recipient. */
  readonly recipient: string;
  readonly recipients: readonly string[];
  readonly sender: string;
  readonly content: string;
  /** When our 250 was written, by `performance.now()`. */
  readonly answeredAt: number;
  readonly port: number;
}

export interface SinkRules {
  /** Milliseconds from the end of the content to its reply; asked with the first recipient and with all of them. */
  readonly delay?: (recipient: string, recipients: readonly string[]) => number;
  /** Another reply than 250 to RCPT. */
  readonly refuse?: (recipient: string) => string | undefined;
  /** Keep the contents; otherwise only their envelopes are remembered. */
  readonly contents?: boolean;
}

export class FastSink {
  readonly copies: Copy[] = [];
  /** Copies by recipient. */
  readonly byRecipient = new Map<string, Copy[]>();
  rules: SinkRules;
  /** Connections that were made so far. */
  connections = 0;
  /** Contents that have come and were not answered yet. */
  waiting = 0;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(rules: SinkRules = {}) {
    this.rules = rules;
  }

  /** One more port, or one more address with the port of another. */
  async listen(port = 0, host = '127.0.0.1'): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket)).listen(port, host, 511);
    // A test that failed before it could close this must be able to end.
    server.unref();
    this.#servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  took(copy: Copy): void {
    this.copies.push(copy);
    for (const recipient of copy.recipients) {
      const known = this.byRecipient.get(recipient);
      if (known === undefined) this.byRecipient.set(recipient, [copy]);
      else known.push(copy);
    }
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    const session = new SinkSession(this, socket);
    socket.on('data', (text: string) => session.receive(text));
  }
}

class SinkSession {
  readonly #sink: FastSink;
  readonly #socket: Socket;
  #heard = '';
  #sender = '';
  #recipients: string[] = [];
  #inContent = false;
  #busy = false;

  constructor(sink: FastSink, socket: Socket) {
    this.#sink = sink;
    this.#socket = socket;
    socket.write('220 sink.test ESMTP\r\n');
  }

  receive(text: string): void {
    this.#heard += text;
    this.#goOn();
  }

  #goOn(): void {
    this.#socket.cork();
    while (!this.#busy && (this.#inContent ? this.#content() : this.#command()));
    this.#socket.uncork();
  }

  #command(): boolean {
    const end = this.#heard.indexOf('\r\n');
    if (end === -1) return false;
    const line = this.#heard.slice(0, end);
    this.#heard = this.#heard.slice(end + 2);
    this.#say(this.#replyTo(line));
    if (/^QUIT/i.test(line)) this.#socket.end();
    return true;
  }

  #replyTo(line: string): string {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        return '250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES';
      case 'MAIL':
        this.#sender = pathOf(line);
        this.#recipients = [];
        return '250 2.1.0 Ok';
      case 'RCPT':
        return this.#recipient(pathOf(line));
      case 'DATA':
        if (this.#recipients.length === 0) return '554 5.5.1 No recipients';
        this.#inContent = true;
        return '354 Go on';
      case 'QUIT':
        return '221 2.0.0 Bye';
      default:
        return '250 2.0.0 Ok';
    }
  }

  #recipient(recipient: string): string {
    const refusal = this.#sink.rules.refuse?.(recipient);
    if (refusal !== undefined) return refusal;
    this.#recipients.push(recipient);
    return '250 2.1.5 Ok';
  }

  #content(): boolean {
    const end = this.#heard.indexOf('\r\n.\r\n');
    if (end === -1) return false;
    const content = this.#heard.slice(0, end + 2);
    this.#heard = this.#heard.slice(end + 5);
    this.#inContent = false;
    const delay = this.#sink.rules.delay?.(this.#recipients[0] ?? '', this.#recipients) ?? 0;
    if (delay === 0) return this.#answer(content);
    this.#busy = true;
    this.#sink.waiting += 1;
    setTimeout(() => {
      this.#busy = false;
      this.#sink.waiting -= 1;
      // A client that hung up has not been answered: its message is not ours.
      if (this.#socket.destroyed || this.#socket.readableEnded) return;
      this.#answer(content);
      this.#goOn();
    }, delay).unref();
    return false;
  }

  #answer(content: string): boolean {
    this.#say('250 2.0.0 Taken');
    const recipients = this.#recipients;
    this.#sink.took({
      ...{ recipient: recipients[0] ?? '', recipients, sender: this.#sender, answeredAt: performance.now() },
      content: this.#sink.rules.contents === true ? content : '',
      port: this.#socket.localPort ?? 0,
    });
    return true;
  }

  #say(reply: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${reply}\r\n`);
  }
}

function pathOf(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.indexOf('>'));
}
