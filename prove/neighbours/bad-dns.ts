/**
 * A name server that is silent, lies, truncates and leads in circles, by UDP and by TCP on one port: what it does
 * with a question follows from the name that is asked. For names under `well.test` it answers as it should.
 */

import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type DecodedQuery, decodeQuery, encodeAnswer, type NewReply, RCODE } from '../../src/wire/dns/message.ts';
import { recordTypeOf, type ResourceRecord } from '../../src/wire/dns/record.ts';

/** Domains under `dns.test`, by what the server does to those who ask for them. */
export const BAD_NAMES = [
  'silent',
  'wrong-id',
  'other-question',
  'garbage',
  'truncates',
  'truncates-for-ever',
  'hangs-by-tcp',
  'short-by-tcp',
  'loops',
  'leads-in-circles',
  'mx-loops',
  'never-ends',
  'huge',
  'refuses',
] as const;

export type BadName = (typeof BAD_NAMES)[number];

type Question = DecodedQuery;
/** What is sent; undefined: nothing. Several octets strings: several datagrams. */
type Answer = readonly Buffer[];

const TTL = 1;
const HERE = '127.0.0.1';
const WRONG_ANSWERS = 40;
const HUGE_RECORDS = 1000;

export class BadDns {
  questions = 0;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#udp = createSocket('udp4');
    this.#tcp = createServer((socket) => this.#byTcp(socket));
    this.#udp.on('message', (octets, from) => this.#byUdp(octets, from));
    this.#udp.on('error', () => {});
  }

  /** On one port for both. */
  async listen(port: number): Promise<void> {
    this.#tcp.listen({ port, host: HERE });
    await once(this.#tcp, 'listening');
    this.#udp.bind({ port: (this.#tcp.address() as AddressInfo).port, address: HERE });
    await once(this.#udp, 'listening');
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = [once(this.#tcp, 'close'), once(this.#udp, 'close')];
    this.#tcp.close();
    this.#udp.close();
    await Promise.all(closed);
  }

  #byUdp(octets: Buffer, { address, port }: RemoteInfo): void {
    const query = decodeQuery(octets);
    if (!query.ok) return;
    this.questions += 1;
    // A client that is gone is no concern of ours.
    for (const answer of answersTo(query.value, 'udp')) this.#udp.send(answer, port, address, () => {});
  }

  #byTcp(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (octets: Buffer) => {
      const query = decodeQuery(octets.subarray(2));
      if (!query.ok) return void socket.destroy();
      for (const answer of answersTo(query.value, 'tcp')) socket.write(framed(answer, query.value));
      return undefined;
    });
  }
}

function framed(answer: Buffer, { question }: Question): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(badNameOf(question.name) === 'short-by-tcp' ? 0xffff : answer.length);
  return Buffer.concat([length, answer]);
}

/** Everything below such a name is treated alike. */
function badNameOf(name: string): BadName | undefined {
  return BAD_NAMES.find((bad) => name === `${bad}.dns.test` || name.endsWith(`.${bad}.dns.test`));
}

export function answersTo(query: Question, by: 'udp' | 'tcp'): Answer {
  const name = query.question.name.toLowerCase();
  const bad = badNameOf(name);
  if (bad !== undefined) return BADLY[bad](query, by);
  if (name === 'well.test' || name.endsWith('.well.test')) return [answer(query, wellKnown(query))];
  return [answer(query, [], { rcode: RCODE.nxDomain })];
}

/** One host takes the mail of all domains that are well. */
function wellKnown({ question }: Question): readonly ResourceRecord[] {
  const { name } = question;
  const host = name.endsWith('.slow.well.test') ? 'mx.slow.well.test' : 'mx.well.test';
  if (recordTypeOf(question.type) === 'MX' && !name.startsWith('mx.')) return [mx(name, host)];
  if (recordTypeOf(question.type) === 'A') return [{ name, type: 'A', ttl: TTL, data: HERE }];
  return [];
}

const BADLY: Readonly<Record<BadName, (query: Question, by: 'udp' | 'tcp') => Answer>> = {
  silent: () => [],
  'wrong-id': (query) =>
    Array.from({ length: WRONG_ANSWERS }, (_, i) =>
      answer({ ...query, id: (query.id + i + 1) & 0xffff }, [mx(query.question.name, 'mx.well.test')]),
    ),
  'other-question': (query) => [answer({ ...query, question: { ...query.question, name: 'well.test' } }, [])],
  garbage: (query) => {
    const octets = Buffer.alloc(400, 0xc0);
    octets.writeUInt16BE(query.id);
    octets.writeUInt16BE(0x8180, 2);
    return [octets];
  },
  truncates: (query, by) =>
    by === 'udp' ? [answer(query, [], { truncated: true })] : [answer(query, [], { rcode: RCODE.servFail })],
  'truncates-for-ever': (query) => [answer(query, [], { truncated: true })],
  'hangs-by-tcp': (query, by) => (by === 'udp' ? [answer(query, [], { truncated: true })] : []),
  'short-by-tcp': (query, by) => [answer(query, [], { truncated: by === 'udp' })],
  loops: (query) => [answer(query, [cname(query.question.name, query.question.name)])],
  'leads-in-circles': (query) => {
    const { name } = query.question;
    return [answer(query, [cname(name, name.startsWith('a.') ? name.replace(/^a\./, 'b.') : `a.${bare(name)}`)])];
  },
  'mx-loops': (query) => {
    const { name, type } = query.question;
    if (recordTypeOf(type) === 'MX') return [answer(query, [mx(name, `host.${bare(name)}`)])];
    return [answer(query, [cname(name, name)])];
  },
  'never-ends': (query) => {
    const { name } = query.question;
    const [, number = '0'] = /^n(\d+)\./.exec(name) ?? [];
    return [answer(query, [cname(name, `n${Number(number) + 1}.never-ends.dns.test`)])];
  },
  huge: (query, by) => {
    if (by === 'udp') return [answer(query, [], { truncated: true })];
    const hosts = Array.from({ length: HUGE_RECORDS }, (_, i) => mx(query.question.name, `h${i}.silent.dns.test`));
    return [answer(query, hosts)];
  },
  refuses: (query) => [answer(query, [], { rcode: RCODE.refused })],
};

function bare(name: string): string {
  return name.replace(/^(?:a|b|host)\./, '');
}

function mx(name: string, exchange: string): ResourceRecord {
  return { name, type: 'MX', ttl: TTL, data: { preference: 10, exchange } };
}

function cname(name: string, data: string): ResourceRecord {
  return { name, type: 'CNAME', ttl: TTL, data };
}

function answer(
  { id, question, recursionDesired, edns }: Question,
  records: readonly ResourceRecord[],
  more: Partial<NewReply> = {},
): Buffer {
  return encodeAnswer({ id, question, recursionDesired, edns, rcode: RCODE.noError, records, ...more });
}
