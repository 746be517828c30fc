/**
 * A source of load: many sessions at once, each transaction pipelined as far as RFC 2920 lets it, and for every
 * message what its sender knows of it: answered with 250, refused, or never answered.
 */

import { connect, type Socket } from 'node:net';

export interface Mail {
  readonly to: string;
  readonly from?: string;
  /** Header fields, each with its line end. */
  readonly fields?: string;
  readonly body?: string;
}

/** What its sender knows of a message. */
export type Fate =
  | { readonly kind: 'accepted'; readonly at: number; readonly queued: string }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string }
  /** The connection was lost behind the content: the client cannot know. */
  | { readonly kind: 'unanswered' };

export interface SourceOptions {
  readonly port: number;
  readonly sessions: number;
  /** The next message; undefined: there is none, and the session ends. */
  readonly next: () => Mail | undefined;
  /** A session that ended early is begun anew; otherwise it stays away. */
  readonly reconnect?: boolean;
  /** Milliseconds between the messages of a session. */
  readonly gap?: number;
}

export interface Ending {
  readonly how: 'quit' | 'lost' | 'refused' | 'told';
  /** The last reply, for `told` (421 and the like). */
  readonly text: string;
}

export class FastSource {
  readonly fates = new Map<string, Fate>();
  /** How sessions ended, in order. */
  readonly endings: Ending[] = [];
  readonly #options: SourceOptions;
  #open = 0;
  #inTransaction = 0;
  #stopped = false;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** Sessions that have been greeted and are open. */
  get open(): number {
    return this.#open;
  }

  /** Transactions between MAIL and the last reply. */
  get inTransaction(): number {
    return this.#inTransaction;
  }

  get accepted(): readonly string[] {
    return [...this.fates].filter(([, { kind }]) => kind === 'accepted').map(([to]) => to);
  }

  countOf(kind: Fate['kind']): number {
    let count = 0;
    for (const fate of this.fates.values()) if (fate.kind === kind) count += 1;
    return count;
  }

  /** Sessions end after the message they are at. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every session has ended. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.sessions }, () => this.#place()));
  }

  async #place(): Promise<void> {
    do {
      const ending = await this.#session();
      this.endings.push(ending);
      if (ending.how === 'quit' || this.#options.reconnect !== true) return;
      await pause(20);
    } while (!this.#stopped);
  }

  async #session(): Promise<Ending> {
    const talk = new Talk(this.#options.port);
    try {
      const greeting = await talk.reply();
      if (greeting.code !== 220) return { how: 'told', text: greeting.text };
      const hello = await talk.say('EHLO source.test\r\n');
      if (hello.code !== 250) return { how: 'told', text: hello.text };
      this.#open += 1;
      try {
        return await this.#messages(talk);
      } finally {
        this.#open -= 1;
      }
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      return { how: error.connected ? 'lost' : 'refused', text: error.message };
    } finally {
      talk.close();
    }
  }

  async #messages(talk: Talk): Promise<Ending> {
    for (;;) {
      const mail = this.#stopped ? undefined : this.#options.next();
      if (mail === undefined) {
        const { text } = await talk.say('QUIT\r\n');
        return { how: text.startsWith('221') ? 'quit' : 'told', text };
      }
      const end = await this.#transaction(talk, mail);
      if (end !== undefined) return end;
      if (this.#options.gap !== undefined) await pause(this.#options.gap);
    }
  }

  async #transaction(talk: Talk, mail: Mail): Promise<Ending | undefined> {
    this.#inTransaction += 1;
    let sent = false;
    try {
      talk.write(`MAIL FROM:<${mail.from ?? 'source@client.test'}>\r\nRCPT TO:<${mail.to}>\r\nDATA\r\n`);
      for (const expected of [250, 250, 354]) {
        const reply = await talk.reply();
        if (reply.code !== expected) return this.#refused(mail, reply);
      }
      sent = true;
      talk.write(contentOf(mail));
      const last = await talk.reply();
      if (last.code !== 250) return this.#refused(mail, last);
      this.fates.set(mail.to, { kind: 'accepted', at: performance.now(), queued: last.text });
      return undefined;
    } catch (error) {
      if (error instanceof Lost && sent) this.fates.set(mail.to, { kind: 'unanswered' });
      throw error;
    } finally {
      this.#inTransaction -= 1;
    }
  }

  #refused({ to }: Mail, { code, text }: Heard): Ending {
    this.fates.set(to, { kind: 'refused', code, text });
    return { how: 'told', text };
  }
}

/** What is written behind DATA, its end too. */
export function contentOf({ to, from = 'source@client.test', fields = '', body = 'A body.\r\n' }: Mail): string {
  return `${fields}From: <${from}>\r\nTo: <${to}>\r\nSubject: ${to}\r\n\r\n${body}.\r\n`;
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

interface Heard {
  readonly code: number;
  readonly text: string;
}

/** The connection was refused, or lost. */
class Lost extends Error {
  readonly connected: boolean;
  constructor(message: string, connected: boolean) {
    super(message);
    this.connected = connected;
  }
}

class Talk {
  readonly #socket: Socket;
  #heard = '';
  #connected = false;
  #over: string | undefined;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', () => (this.#connected = true));
    this.#socket.on('data', (text: string) => {
      this.#heard += text;
      this.#wake();
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    this.#socket.on('end', () => this.#end('closed'));
    this.#socket.on('close', () => this.#end('closed'));
  }

  async reply(): Promise<Heard> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\r\n/.exec(this.#heard);
      if (match !== null) {
        this.#heard = this.#heard.slice(match[0].length);
        return { code: Number(match[1]), text: match[0].trimEnd() };
      }
      if (this.#over !== undefined) throw new Lost(this.#over, this.#connected);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  say(command: string): Promise<Heard> {
    this.write(command);
    return this.reply();
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }

  #end(why: string): void {
    this.#over ??= why;
    this.#wake();
  }
}
