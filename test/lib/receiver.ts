/**
 * A receiving server for scenarios: takes mail, or answers recipients as it is told to, and remembers envelopes and
 * contents. Fast enough for a hundred thousand messages, so that it is not what a test waits for.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Received {
  /** `''` is the null reverse-path. */
  readonly reversePath: string;
  /** What stood behind the path in MAIL. */
  readonly parameters: string;
  readonly recipients: readonly { readonly address: string; readonly parameters: string }[];
  /** As it came, without the dots of its transport. */
  readonly content: string;
}

export interface ReceiverOptions {
  readonly port?: number;
  readonly host?: string;
  /** EHLO keywords beside PIPELINING and 8BITMIME. */
  readonly offers?: readonly string[];
  /** What is said to a recipient; not given, or undefined: 250. `''`: nothing, from then on. */
  readonly recipient?: (address: string, asked: number) => string | undefined;
  /** Contents are kept; false where only envelopes matter. */
  readonly keepContent?: boolean;
}

export interface Receiver {
  readonly port: number;
  readonly messages: readonly Received[];
  /** Of all messages, in the order in which they came; one that came twice is in it twice. */
  recipients(): readonly string[];
  /** Recipients that were asked for, refused or not. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { port = 0, host = '127.0.0.1' } = options;
  const state: State = { options, messages: [], asked: [], askedBy: new Map(), sockets: new Set() };
  const server = createServer({ noDelay: true }, (socket) => serve(socket, state));
  server.listen({ port, host, backlog: 1000 });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    messages: state.messages,
    asked: state.asked,
    recipients: () => state.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    close: () => close(server, state),
  };
}

interface State {
  readonly options: ReceiverOptions;
  readonly messages: Received[];
  readonly asked: string[];
  readonly askedBy: Map<string, number>;
  readonly sockets: Set<Socket>;
}

async function close(server: Server, { sockets }: State): Promise<void> {
  for (const socket of sockets) socket.destroy();
  const closed = once(server, 'close');
  server.close();
  await closed;
}

function serve(socket: Socket, state: State): void {
  state.sockets.add(socket);
  socket.once('close', () => state.sockets.delete(socket));
  socket.on('error', () => socket.destroy());
  socket.setEncoding('latin1');
  const session = new Session(state);
  socket.write('220 receiver.test ESMTP\r\n');
  socket.on('data', (text: string) => {
    const replies = session.take(text).filter((reply) => reply !== '');
    if (replies.length > 0) socket.write(replies.map((reply) => `${reply}\r\n`).join(''));
    if (session.over) socket.end();
  });
}

const CONTENT_END = '\r\n.\r\n';

class Session {
  over = false;
  #silent = false;
  readonly #state: State;
  /** It begins with the line end before it, so that an empty content ends like any other. */
  #text = '';
  #inContent = false;
  #reversePath = '';
  #parameters = '';
  #recipients: { address: string; parameters: string }[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  take(text: string): readonly string[] {
    if (this.#silent) return [];
    this.#text += text;
    const replies: string[] = [];
    for (;;) {
      const reply = this.#inContent ? this.#content() : this.#command();
      if (reply !== undefined) replies.push(reply);
      if (reply === undefined || this.#silent) return replies;
    }
  }

  #content(): string | undefined {
    const end = this.#text.indexOf(CONTENT_END);
    if (end === -1) return undefined;
    const content = this.#state.options.keepContent === false ? '' : this.#text.slice(2, end + 2);
    this.#text = this.#text.slice(end + CONTENT_END.length);
    this.#inContent = false;
    this.#state.messages.push({
      ...{ reversePath: this.#reversePath, parameters: this.#parameters, recipients: this.#recipients },
      content: content.replaceAll(/^\./gm, ''),
    });
    this.#recipients = [];
    return `250 2.0.0 taken as ${this.#state.messages.length}`;
  }

  #command(): string | undefined {
    const end = this.#text.indexOf('\r\n');
    if (end === -1) return undefined;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    return this.#answer(line);
  }

  #answer(line: string): string {
    const [, path = '', parameters = ''] = /<([^>]*)> ?(.*)$/.exec(line) ?? [];
    switch (line.split(/[ :]/, 1)[0]?.toUpperCase()) {
      case 'EHLO':
        return this.#hello();
      case 'MAIL':
        [this.#reversePath, this.#parameters, this.#recipients] = [path, parameters, []];
        return '250 2.1.0 ok';
      case 'RCPT':
        return this.#recipient(path, parameters);
      case 'DATA':
        return this.#data();
      case 'QUIT':
        this.over = true;
        return '221 2.0.0 bye';
      default:
        return '250 2.0.0 ok';
    }
  }

  #hello(): string {
    const lines = ['receiver.test', '8BITMIME', ...(this.#state.options.offers ?? []), 'PIPELINING'];
    return lines.map((text, at) => `250${at === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
  }

  #recipient(address: string, parameters: string): string {
    const { asked, askedBy, options } = this.#state;
    const times = (askedBy.get(address) ?? 0) + 1;
    askedBy.set(address, times);
    asked.push(address);
    const reply = options.recipient?.(address, times) ?? '250 2.1.5 ok';
    this.#silent = reply === '';
    if (reply.startsWith('2')) this.#recipients.push({ address, parameters });
    return reply;
  }

  #data(): string {
    if (this.#recipients.length === 0) return '554 5.5.1 no valid recipients';
    this.#inContent = true;
    this.#text = `\r\n${this.#text}`;
    return '354 go on';
  }
}
