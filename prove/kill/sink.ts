/**
 * The driver's receiving side: a next hop that knows from each recipient's address what to say, takes its time, and
 * remembers each copy with the instant of its 250 by the clock that the kills are told by.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { reportOf } from '../../test/lib/mail-world.ts';
import { type Chance } from '../chance.ts';
import { type Interval, Intervals, monotonic } from './intervals.ts';
import { digestOf, recipientOf } from './letters.ts';

/** What a report says, which has no sender. */
export interface Report {
  readonly id: string;
  readonly about: readonly string[];
}

export interface Copy {
  readonly recipients: readonly string[];
  readonly sender: string;
  /** Of the content behind the product's trace field. */
  readonly digest: string;
  /** In the trace field. */
  readonly queueId: string;
  readonly report: Report | undefined;
  /** Just before the 250 was written. */
  readonly answeredAt: number;
}

/** Somebody began a transaction, was told that recipients are taken, and went away without a last reply. */
export interface BrokenOff {
  readonly recipients: readonly string[];
  readonly from: number;
  readonly to: number;
}

/** Milliseconds from the end of the content to its reply. */
const DELAY = [50, 170] as const;
const END = Buffer.from('\r\n.\r\n');

export class Sink {
  readonly copies: Copy[] = [];
  readonly transactions = new Intervals();
  brokenOff: BrokenOff[] = [];
  /** Each RCPT, as it comes. */
  heard: (recipient: string) => void = () => undefined;
  readonly deferred = new Set<string>();
  readonly chance: Chance;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(chance: Chance) {
    this.chance = chance;
  }

  async listen(): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket)).listen(0, '127.0.0.1');
    // A suite that failed before it could close this must be able to end.
    server.unref();
    this.#servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  replyTo(recipient: string): string {
    this.heard(recipient);
    const fortune = recipientOf(recipient)?.fortune ?? 'ok';
    if (fortune === 'never') return '550 5.1.1 No such mailbox';
    if (fortune === 'ok' || this.deferred.has(recipient)) return '250 2.1.5 Ok';
    this.deferred.add(recipient);
    return '451 4.3.0 Come again';
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const session = new SinkSession(this, socket);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => session.over());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      session.over();
    });
    socket.on('data', (octets: Buffer) => session.receive(octets));
    socket.write('220 sink.test ESMTP\r\n');
  }
}

class SinkSession {
  readonly #sink: Sink;
  readonly #socket: Socket;
  #heard: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #tail: Buffer = Buffer.alloc(0);
  #state: 'commands' | 'content' | 'answering' | 'over' = 'commands';
  #sender = '';
  #recipients: string[] = [];
  #transaction: Interval | undefined;

  constructor(sink: Sink, socket: Socket) {
    this.#sink = sink;
    this.#socket = socket;
  }

  receive(octets: Buffer): void {
    if (this.#state === 'content') this.#content(octets);
    else {
      this.#heard = this.#heard.length === 0 ? octets : Buffer.concat([this.#heard, octets]);
      this.#commands();
    }
  }

  over(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const transaction = this.#transaction;
    this.#endTransaction();
    if (transaction !== undefined && this.#recipients.length > 0)
      this.#sink.brokenOff.push({ recipients: this.#recipients, from: transaction.from, to: transaction.to });
  }

  #commands(): void {
    this.#socket.cork();
    while (this.#state === 'commands') {
      const end = this.#heard.indexOf('\r\n');
      if (end === -1) break;
      const line = this.#heard.toString('latin1', 0, end);
      this.#heard = this.#heard.subarray(end + 2);
      this.#say(this.#replyTo(line));
      if (/^QUIT/i.test(line)) this.#socket.end();
    }
    this.#socket.uncork();
    // What changes the state stands in `#replyTo`.
    if ((this.#state as string) !== 'content') return;
    const rest = this.#heard;
    this.#heard = Buffer.alloc(0);
    this.#content(rest);
  }

  #replyTo(line: string): string {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        return '250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES';
      case 'MAIL':
        this.#endTransaction();
        this.#sender = pathOf(line);
        this.#recipients = [];
        this.#transaction = this.#sink.transactions.begin();
        return '250 2.1.0 Ok';
      case 'RCPT':
        return this.#recipient(pathOf(line));
      case 'DATA':
        if (this.#recipients.length === 0) return this.#refuse();
        this.#state = 'content';
        this.#parts = [];
        this.#tail = Buffer.from('\r\n');
        return '354 Go on';
      case 'QUIT':
        this.#endTransaction();
        return '221 2.0.0 Bye';
      default:
        this.#endTransaction();
        return '250 2.0.0 Ok';
    }
  }

  #recipient(recipient: string): string {
    const reply = this.#sink.replyTo(recipient);
    if (reply.startsWith('250')) this.#recipients.push(recipient);
    return reply;
  }

  #refuse(): string {
    this.#endTransaction();
    return '554 5.5.1 No recipients';
  }

  #endTransaction(): void {
    if (this.#transaction !== undefined) this.#sink.transactions.end(this.#transaction);
    this.#transaction = undefined;
  }

  /** Each octet is looked at once, and those before it that its end may begin in. */
  #content(octets: Buffer): void {
    const searched = Buffer.concat([this.#tail, octets]);
    const end = searched.indexOf(END);
    if (end === -1) {
      this.#parts.push(octets);
      this.#tail = searched.subarray(-(END.length - 1));
      return;
    }
    const own = end + 2 - this.#tail.length;
    const content = Buffer.concat([...this.#parts, octets.subarray(0, Math.max(0, own))]);
    // The line end before the last line may have come with the part before.
    const whole = own < 0 ? content.subarray(0, own) : content;
    this.#heard = searched.subarray(end + END.length);
    this.#parts = [];
    this.#state = 'answering';
    setTimeout(() => this.#answer(whole), this.#sink.chance.whole(...DELAY));
  }

  #answer(content: Buffer): void {
    // A client that hung up has not been answered: its message is not ours.
    if (this.#state === 'over' || this.#socket.destroyed) return;
    const answeredAt = monotonic();
    this.#say('250 2.0.0 Taken');
    this.#endTransaction();
    this.#sink.copies.push(copyOf(content, { sender: this.#sender, recipients: this.#recipients, answeredAt }));
    this.#recipients = [];
    this.#state = 'commands';
    this.#commands();
  }

  #say(reply: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${reply}\r\n`);
  }
}

function copyOf(content: Buffer, facts: Pick<Copy, 'sender' | 'recipients' | 'answeredAt'>): Copy {
  const { trace, rest } = withoutTrace(content);
  const queueId = /\bid ([0-9a-z]{20})\b/.exec(trace)?.[1] ?? '';
  const report = facts.sender === '' ? reportIn(content.toString('latin1')) : undefined;
  return { ...facts, digest: digestOf(rest), queueId, report };
}

function reportIn(content: string): Report {
  const [, id = ''] = /^Message-ID: *(\S+)/im.exec(content) ?? [];
  const groups = reportOf({ reversePath: '', parameters: '', recipients: [], content });
  return { id, about: groups.map((fields) => (fields['Final-Recipient'] ?? '').replace(/^rfc822; */i, '')) };
}

/** The one field that the product puts before a content, and what follows it. */
export function withoutTrace(content: Buffer): { readonly trace: string; readonly rest: Buffer } {
  if (!/^Received:/i.test(content.toString('latin1', 0, 9))) return { trace: '', rest: content };
  let end = content.indexOf('\r\n') + 2;
  while (content[end] === 0x20 || content[end] === 0x09) end = content.indexOf('\r\n', end) + 2;
  return { trace: content.toString('latin1', 0, end), rest: content.subarray(end) };
}

function pathOf(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.indexOf('>'));
}
