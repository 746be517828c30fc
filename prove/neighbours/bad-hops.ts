/**
 * Next hops that behave badly, each in one way: on a port of its own, for a domain of its own.
 *
 * Up to where it turns bad such a hop is a server like others. It remembers what it has read to the end, so that
 * a delivery that was told but never made is found.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Trickle } from './trickle.ts';

export interface Badness {
  readonly name: string;
  /** In the way it says anything at all. */
  readonly replies?: 'at once' | 'octet by octet';
  /** It has the connection, and no session begins. */
  readonly connected?: (socket: Socket) => void;
  /** In place of the reply to a verb; `.` is the end of the content. */
  readonly on?: Readonly<Record<string, (socket: Socket) => void>>;
  /** From the content on it reads no more than an octet at a time. */
  readonly reads?: 'an octet a second';
}

const OK = '250 2.0.0 Taken\r\n';
const MEGABYTE = 1 << 20;
const LINE = `250-${'x'.repeat(58)}\r\n`;
/** What a flood sends at most on one connection; a product that bounds what it reads cuts it off long before. */
const FLOOD_OCTETS = 32 * MEGABYTE;
const BLOCK = Buffer.alloc(65_536, 'x');
const SECOND_REPLY = 20;

const say =
  (text: string) =>
  (socket: Socket): void =>
    void socket.write(text);
const nothing = (): void => {};

export const BADNESSES: readonly Badness[] = [
  { name: 'cuts-before-final', on: { '.': (socket) => socket.destroy() } },
  { name: 'cuts-in-final', on: { '.': (socket) => socket.end('25') } },
  { name: 'cuts-in-code', on: { '.': (socket) => socket.end('250') } },
  { name: 'cuts-after-final', on: { '.': (socket) => socket.end(OK) } },
  { name: 'resets-after-final', on: { '.': (socket) => void socket.write(OK, () => socket.resetAndDestroy()) } },
  { name: 'cuts-at-once', connected: (socket) => socket.destroy() },
  { name: 'cuts-at-data', on: { DATA: (socket) => socket.resetAndDestroy() } },
  { name: 'octet-a-second', replies: 'octet by octet' },
  { name: 'never-greets', connected: nothing },
  { name: 'never-answers-hello', on: { EHLO: nothing } },
  { name: 'never-answers-data', on: { DATA: nothing } },
  { name: 'never-answers-content', on: { '.': nothing } },
  { name: 'never-shakes-hands', on: { EHLO: say('250-bad.test\r\n250 STARTTLS\r\n'), STARTTLS: say('220 Go\r\n') } },
  { name: 'megabyte-line', on: { '.': say(`250 ${'x'.repeat(MEGABYTE)}\r\n`) } },
  { name: 'megabyte-of-lines', on: { '.': say(LINE.repeat(MEGABYTE / LINE.length)) } },
  { name: 'megabyte-greeting', connected: say(`220 ${'x'.repeat(MEGABYTE)}\r\n`) },
  { name: 'flood-for-greeting', connected: flood },
  { name: 'flood-for-final', on: { '.': flood } },
  { name: 'says-250-twice', on: { '.': say(`${OK}${OK}`) } },
  { name: 'says-250-late-again', on: { '.': (socket) => sayAgain(socket) } },
  { name: 'talks-unasked', on: { '.': (socket) => void socket.write(`${OK}${'354 Go\r\n250 Ok\r\n'.repeat(500)}`) } },
  { name: 'is-no-smtp-server', connected: say('HTTP/1.1 400 Bad Request\r\n\r\n') },
  { name: 'sends-nuls', on: { '.': (socket) => void socket.write(Buffer.alloc(4096)) } },
  { name: 'reads-octet-a-second', reads: 'an octet a second' },
];

function sayAgain(socket: Socket): void {
  socket.write(OK);
  setTimeout(() => socket.writable && socket.write(OK), SECOND_REPLY).unref();
}

function flood(socket: Socket): void {
  let sent = 0;
  const more = (): void => {
    while (socket.writable && sent < FLOOD_OCTETS) {
      sent += BLOCK.length;
      if (!socket.write(BLOCK)) return void socket.once('drain', more);
    }
    return undefined;
  };
  more();
}

export class BadHop {
  readonly badness: Badness;
  readonly domain: string;
  /** Recipients whose content has been read to its end. */
  readonly read = new Set<string>();
  connections = 0;
  port = 0;
  /** Most octets that a connection took from us before it was over. */
  mostTaken = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly trickle = new Trickle(1000);

  constructor(badness: Badness) {
    this.badness = badness;
    this.domain = `${badness.name}.test`;
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  async listen(): Promise<number> {
    this.#server.listen({ port: 0, host: '127.0.0.1', backlog: 1000 });
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this.port;
  }

  async close(): Promise<void> {
    this.trickle.stop();
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.mostTaken = Math.max(this.mostTaken, socket.bytesWritten);
    });
    const { connected } = this.badness;
    if (connected === undefined) new BadSession(this, socket).begin();
    else connected(socket.resume());
  }
}

const REPLIES: Readonly<Record<string, string>> = {
  EHLO: '250-bad.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n',
  DATA: '354 Go on\r\n',
  QUIT: '221 2.0.0 Bye\r\n',
  '.': OK,
};

class BadSession {
  readonly #hop: BadHop;
  readonly #socket: Socket;
  #heard = '';
  #inContent = false;
  #recipients: string[] = [];

  constructor(hop: BadHop, socket: Socket) {
    this.#hop = hop;
    this.#socket = socket;
  }

  begin(): void {
    this.#say('220 bad.test ESMTP\r\n');
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#heard += text;
      while (this.#inContent ? this.#content() : this.#command());
    });
  }

  #command(): boolean {
    const end = this.#heard.indexOf('\r\n');
    if (end === -1) return false;
    const line = this.#heard.slice(0, end);
    this.#heard = this.#heard.slice(end + 2);
    const verb = line.slice(0, line.includes(' ') ? line.indexOf(' ') : end).toUpperCase();
    if (verb === 'MAIL') this.#recipients = [];
    if (verb === 'RCPT') this.#recipients.push(line.slice(line.indexOf('<') + 1, line.indexOf('>')));
    this.#answer(verb);
    if (verb === 'DATA') this.#beginContent();
    if (verb === 'QUIT') this.#socket.end();
    return true;
  }

  #beginContent(): void {
    this.#inContent = true;
    if (this.#hop.badness.reads === undefined) return;
    // What the system has taken for us meanwhile is its affair: nothing here asks for more than an octet.
    this.#socket.removeAllListeners('data');
    this.#socket.pause();
    const reading = setInterval(() => this.#socket.read(1), 1000);
    reading.unref();
    this.#socket.once('close', () => clearInterval(reading));
  }

  #content(): boolean {
    const end = this.#heard.indexOf('\r\n.\r\n');
    if (end === -1) return false;
    this.#heard = this.#heard.slice(end + 5);
    this.#inContent = false;
    for (const recipient of this.#recipients) this.#hop.read.add(recipient);
    this.#answer('.');
    return true;
  }

  #answer(verb: string): void {
    const badly = this.#hop.badness.on?.[verb];
    if (badly !== undefined) badly(this.#socket);
    else this.#say(REPLIES[verb] ?? '250 2.0.0 Ok\r\n');
  }

  #say(reply: string): void {
    if (this.#hop.badness.replies === 'octet by octet') this.#hop.trickle.send(this.#socket, reply);
    else if (this.#socket.writable) this.#socket.write(reply);
  }
}
