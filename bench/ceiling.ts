/**
 * The ceiling: what a bare Node program reaches that does only what no mail server can leave out.
 *
 *     node bench/ceiling.ts --port 2525 --sink 2600 --folder /tmp/ceiling [--threads 1] [--submissions 465]
 *
 * It parses SMTP, keeps each message in LMDB before its 250 (one fsynced commit for all that came meanwhile), relays
 * mail for `sink.test` to the sink on ten connections, pipelined and reused, and removes what is done. Mail for other
 * domains is dropped after its commit. Each thread listens on the port and has a store of its own.
 *
 * Left out is all that makes a mail server: limits, checks of addresses and passwords, retries, timeouts, events, metrics.
 */

import { mkdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import { open } from 'lmdb';
import { makeAuthority } from '../test/lib/certificates.ts';

interface Settings {
  readonly port: number;
  readonly sink: number;
  readonly folder: string;
  readonly threads: number;
  /** A port for TLS from the first octet; 0: none. */
  readonly submissions: number;
}

interface Message {
  readonly id: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Buffer;
}

const CRLF = Buffer.from('\r\n');
const END = Buffer.from('\r\n.\r\n');
/** As many connections as the product opens to one site. */
const CONNECTIONS = 10;

const REPLIES = new Map([
  ['HELO', '250 ceiling.test'],
  ['EHLO', '250-ceiling.test\r\n250-PIPELINING\r\n250 8BITMIME'],
  ['RSET', '250 Ok'],
  ['NOOP', '250 Ok'],
  // A ceiling asks for no password.
  ['AUTH', '235 Ok'],
]);

/** Commits what has come since the last commit began, one commit at a time. */
class Store {
  readonly #db;
  #waiting: { readonly message: Message; readonly done: () => void }[] = [];
  #removals: number[] = [];
  #writing = false;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    const options = { encoding: 'binary', overlappingSync: false, eventTurnBatching: false } as const;
    this.#db = open<Buffer, number>({ path: folder, noSubdir: false, mapSize: 64 * 1024 ** 3, ...options });
  }

  keep(message: Message, done: () => void): void {
    this.#waiting.push({ message, done });
    if (!this.#writing) void this.#write();
  }

  remove(id: number): void {
    this.#removals.push(id);
    if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // What comes in this turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = this.#waiting;
    const removals = this.#removals;
    this.#waiting = [];
    this.#removals = [];
    await this.#db.batch(() => {
      for (const { message } of waiting) void this.#db.put(message.id, recordOf(message));
      for (const id of removals) void this.#db.remove(id);
    });
    for (const { done } of waiting) done();
    this.#writing = false;
    if (this.#waiting.length + this.#removals.length > 0) void this.#write();
  }
}

/** A small record has its content copied into it; a large one costs no more than that copy. */
function recordOf({ from, to, content }: Message): Buffer {
  return Buffer.concat([Buffer.from(`${from}\n${to.join(' ')}\n`), content]);
}

class Relay {
  readonly #port: number;
  readonly #idle: RelayConnection[] = [];
  readonly #waiting: { readonly message: Message; readonly done: () => void }[] = [];
  #open = 0;

  constructor(port: number) {
    this.#port = port;
  }

  send(message: Message, done: () => void): void {
    const connection = this.#idle.pop();
    if (connection !== undefined) return connection.send(message, done);
    this.#waiting.push({ message, done });
    if (this.#open < CONNECTIONS) this.#connect();
  }

  #connect(): void {
    this.#open += 1;
    const connection: RelayConnection = new RelayConnection(this.#port, {
      free: () => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#idle.push(connection);
        else connection.send(next.message, next.done);
      },
      // Only before the first greeting: a program without retries has nothing else to do about it.
      failed: (error) => {
        throw error;
      },
    });
  }
}

interface RelayEvents {
  readonly free: () => void;
  readonly failed: (error: Error) => void;
}

class RelayConnection {
  readonly #socket: Socket;
  readonly #free: () => void;
  #replies = 0;
  /** How many replies complete the present step, and what comes then. */
  #wanted = 1;
  #next: () => void = () => this.#step('EHLO ceiling.test\r\n', 1, () => this.#free());

  constructor(port: number, { free, failed }: RelayEvents) {
    this.#free = free;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#receive(text));
    this.#socket.on('error', failed);
  }

  send({ from, to, content }: Message, done: () => void): void {
    const recipients = to.map((path) => `RCPT TO:${path}\r\n`).join('');
    this.#step(`MAIL FROM:${from}\r\n${recipients}DATA\r\n`, to.length + 2, () => {
      this.#step(content, 1, () => {
        done();
        this.#free();
      });
    });
  }

  #step(octets: string | Buffer, replies: number, next: () => void): void {
    this.#wanted = replies;
    this.#next = next;
    this.#socket.write(octets);
  }

  #receive(text: string): void {
    for (const line of text.split('\r\n')) if (line.length > 3 && line[3] !== '-') this.#replies += 1;
    if (this.#replies < this.#wanted) return;
    this.#replies = 0;
    this.#next();
  }
}

type Accept = (from: string, to: readonly string[], content: Buffer, done: () => void) => void;

class Session {
  readonly #socket: Socket;
  readonly #accept: Accept;
  #line: Buffer = Buffer.alloc(0);
  #content: Buffer[] | undefined;
  #from = '';
  #to: string[] = [];

  constructor(socket: Socket, accept: Accept) {
    this.#socket = socket;
    this.#accept = accept;
  }

  receive(chunk: Buffer): void {
    if (this.#content !== undefined) return this.#receiveContent(this.#content, chunk);
    this.#line = this.#line.length === 0 ? chunk : Buffer.concat([this.#line, chunk]);
    let replies = '';
    for (let end = this.#line.indexOf(CRLF); end !== -1; end = this.#line.indexOf(CRLF)) {
      const line = this.#line.toString('latin1', 0, end);
      this.#line = this.#line.subarray(end + 2);
      replies += `${this.#command(line)}\r\n`;
      if (this.#content !== undefined) break;
    }
    if (replies !== '') this.#socket.write(replies, 'latin1');
    if (replies.endsWith('221 Bye\r\n')) this.#socket.end();
    if (this.#content === undefined || this.#line.length === 0) return;
    const rest = this.#line;
    this.#line = Buffer.alloc(0);
    this.#receiveContent(this.#content, rest);
  }

  #command(line: string): string {
    const verb = line.slice(0, 4).toUpperCase();
    switch (verb) {
      case 'MAIL':
        this.#from = pathIn(line);
        this.#to = [];
        return '250 Ok';
      case 'RCPT':
        this.#to.push(pathIn(line));
        return '250 Ok';
      case 'DATA':
        this.#content = [];
        return '354 Go on';
      case 'QUIT':
        return '221 Bye';
      default:
        return REPLIES.get(verb) ?? '500 What?';
    }
  }

  /** Clients of a benchmark send nothing behind the end before they have its reply. */
  #receiveContent(chunks: Buffer[], chunk: Buffer): void {
    chunks.push(chunk);
    if (!endsIn(chunks)) return;
    const content = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    this.#content = undefined;
    this.#accept(this.#from, this.#to, content, () => this.#socket.write('250 Ok\r\n', 'latin1'));
  }
}

function endsIn(chunks: readonly Buffer[]): boolean {
  const last = chunks.at(-1);
  if (last === undefined) return false;
  if (last.length >= END.length) return last.subarray(-END.length).equals(END);
  return Buffer.concat(chunks.slice(-END.length)).subarray(-END.length).equals(END);
}

function pathIn(line: string): string {
  return line.slice(line.indexOf('<'), line.indexOf('>') + 1);
}

function serve({ port, sink, folder, threads, submissions }: Settings): void {
  const store = new Store(join(folder, String(threadId)));
  const relay = new Relay(sink);
  let id = 0;
  const serveOne = (socket: Socket): void => {
    const session = new Session(socket, (from, to, content, done) => {
      id += 1;
      const message: Message = { id, from, to, content };
      store.keep(message, () => {
        done();
        const remove = (): void => store.remove(message.id);
        if (to.some((path) => path.endsWith('@sink.test>'))) relay.send(message, remove);
        else remove();
      });
    });
    socket.on('data', (chunk: Buffer) => session.receive(chunk));
    socket.on('error', () => socket.destroy());
    socket.write('220 ceiling.test\r\n');
  };
  const how = { host: '127.0.0.1', backlog: 511, reusePort: threads > 1 };
  createServer({ noDelay: true }, serveOne).listen({ port, ...how });
  if (submissions === 0) return;
  createTlsServer({ noDelay: true, ...makeAuthority().issue('ceiling.test') }, serveOne).listen({
    port: submissions,
    ...how,
  });
}

function settings(): Settings {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '2525' },
      sink: { type: 'string', default: '2600' },
      folder: { type: 'string', default: '/tmp/ceiling' },
      threads: { type: 'string', default: '1' },
      submissions: { type: 'string', default: '0' },
    },
  });
  const { port, sink, folder, threads, submissions } = values;
  return {
    ...{ port: Number(port), sink: Number(sink), folder, threads: Number(threads) },
    submissions: Number(submissions),
  };
}

/** The threads live as long as the process does. */
function start(settings: Settings): void {
  if (settings.threads === 1) return serve(settings);
  const threads: Worker[] = [];
  while (threads.length < settings.threads)
    threads.push(new Worker(new URL(import.meta.url), { workerData: settings }));
  return undefined;
}

if (isMainThread) {
  process.on('SIGTERM', () => process.exit(0));
  start(settings());
} else serve(workerData as Settings);
