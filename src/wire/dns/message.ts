/**
 * DNS messages: the queries and answers of a stub resolver, and of a small server for the sandbox and for tests.
 *
 * Reading trusts nothing and never throws: what breaks the format is the reason of a `Parsed`. At most 100 answer
 * records are looked at; nobody needs more to send mail. Writing, of octets that are ours, is left to `dns-packet`
 * (docs/decisions/0010-dns-packet.md).
 *
 * RFC 1035 §4 (format), RFC 2181 §8 (TTL), RFC 6840 §5.7 (AD in queries), RFC 6891 (EDNS).
 */

import { type Answer, encode } from 'dns-packet';
import { type Parsed, parsed, unparsed } from '../../lib/parsed.ts';
import { isEncodable } from './name.ts';
import { Malformed, Reader } from './reader.ts';
import { readRecord, RECORD_TYPES, type RecordType, recordTypeOf, type ResourceRecord } from './record.ts';

const MAX_ANSWER_RECORDS = 100;
/** RFC 1035 §4.2.1: what fits into UDP without EDNS. */
const PLAIN_UDP_OCTETS = 512;

export const RCODE = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

const RCODE_NAMES = new Map<number, string>([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [16, 'BADVERS'],
]);

export function rcodeName(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RCODE${rcode}`;
}

export interface Question {
  /** Without the final dot; the root is `''`. */
  readonly name: string;
  /** The number of the type: anything may be asked. */
  readonly type: number;
}

export interface DnsQuery {
  readonly id: number;
  readonly name: string;
  readonly type: RecordType;
  readonly recursionDesired: boolean;
  readonly dnssecOk: boolean;
  readonly udpSize: number;
}

export interface DecodedQuery {
  readonly id: number;
  /** In the case in which it was written: an answer repeats it so. */
  readonly question: Question;
  readonly recursionDesired: boolean;
  /** The client understands the AD bit. */
  readonly wantsAuthenticated: boolean;
  readonly dnssecOk: boolean;
  /** Octets of an answer that the client takes by UDP. */
  readonly udpSize: number;
  readonly edns: boolean;
}

export interface DnsReply {
  readonly id: number;
  /** Names are in lower case. Absent in some replies that report an error. */
  readonly question: Question | undefined;
  /** With the upper bits that EDNS adds. */
  readonly rcode: number;
  /** Ask again by TCP; there are no records. */
  readonly truncated: boolean;
  /** The AD bit: worth what the way to the server is worth. */
  readonly authenticated: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly soa: Extract<ResourceRecord, { type: 'SOA' }> | undefined;
}

/** What a server says; `id` and `question` are those of the query. */
export interface NewReply {
  readonly id: number;
  readonly question: Question;
  readonly rcode: number;
  readonly records?: readonly ResourceRecord[];
  /** The SOA of a negative answer. */
  readonly authority?: readonly ResourceRecord[];
  readonly authenticated?: boolean;
  readonly truncated?: boolean;
  readonly recursionDesired?: boolean;
  /** The query had an OPT record, so the reply has one. */
  readonly edns?: boolean;
}

const QR = 0x8000;
const OPCODE = 0x7800;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const AD = 0x0020;
const DO = 0x8000;
const OPT = 41;
const IN = 1;
const UDP_SIZE = 1232;
const MAX_TTL = 0x7fffffff;

/** Recursion and the AD bit are asked for, and nothing else is said. */
export function encodeQuery({ id, name, type, recursionDesired, dnssecOk, udpSize }: DnsQuery): Parsed<Buffer> {
  if (!isEncodable(name)) return unparsed('name cannot be asked for');
  const opt = optRecord(udpSize, dnssecOk);
  const flags = AD | (recursionDesired ? RD : 0);
  return parsed(encode({ type: 'query', id, flags, questions: [{ name, type, class: 'IN' }], additionals: [opt] }));
}

export function decodeQuery(octets: Buffer): Parsed<DecodedQuery> {
  return guarded(() => {
    const reader = new Reader(octets);
    const header = readHeader(reader);
    if ((header.flags & (QR | OPCODE)) !== 0 || header.questions !== 1) throw new Malformed('not a query');
    const question = readQuestion(reader);
    if (!isEncodable(question.name)) throw new Malformed('name has unusual octets');
    const rest = readRecords(reader, header);
    return {
      id: header.id,
      question,
      recursionDesired: (header.flags & RD) !== 0,
      wantsAuthenticated: (header.flags & AD) !== 0 || rest.dnssecOk,
      dnssecOk: rest.dnssecOk,
      udpSize: Math.max(PLAIN_UDP_OCTETS, rest.udpSize ?? 0),
      edns: rest.udpSize !== undefined,
    };
  });
}

export function decodeAnswer(octets: Buffer): Parsed<DnsReply> {
  return guarded(() => {
    const reader = new Reader(octets);
    const header = readHeader(reader);
    const { id, flags } = header;
    if ((flags & QR) === 0 || (flags & OPCODE) !== 0) throw new Malformed('not an answer');
    const rcode = flags & 0xf;
    if (header.questions > 1 || (header.questions === 0 && rcode === 0)) throw new Malformed('not one question');
    const written = header.questions === 1 ? readQuestion(reader) : undefined;
    const question = written === undefined ? undefined : { ...written, name: written.name.toLowerCase() };
    const authenticated = (flags & AD) !== 0;
    // A truncated message may end anywhere, so nothing behind its question is read.
    if ((flags & TC) !== 0) return { id, question, rcode, truncated: true, authenticated, answers: [], soa: undefined };
    const { answers, soa, upperRcode } = readRecords(reader, header);
    return { id, question, rcode: (upperRcode << 4) | rcode, truncated: false, authenticated, answers, soa };
  });
}

/** Names and data must be writable; the caller wrote them. */
export function encodeAnswer(reply: NewReply): Buffer {
  const { id, question, rcode, records = [], authority = [], truncated = false } = reply;
  const bits: readonly (readonly [boolean | undefined, number])[] = [
    [truncated, TC],
    [reply.recursionDesired, RD],
    [reply.authenticated, AD],
  ];
  return encode({
    type: 'response',
    id,
    flags: bits.reduce((flags, [set, bit]) => (set === true ? flags | bit : flags), RA | (rcode & 0xf)),
    // dns-packet writes a type that it does not know by its number.
    questions: [{ name: question.name, type: `UNKNOWN_${question.type}` as RecordType, class: 'IN' }],
    answers: truncated ? [] : records.map(packetRecord),
    authorities: truncated ? [] : authority.map(packetRecord),
    additionals: reply.edns === true ? [optRecord(UDP_SIZE, false)] : [],
  });
}

export function typeNumber(type: RecordType): number {
  return RECORD_TYPES[type];
}

interface Header {
  readonly id: number;
  readonly flags: number;
  readonly questions: number;
  readonly answers: number;
  readonly authorities: number;
  readonly additionals: number;
}

function readHeader(reader: Reader): Header {
  return {
    id: reader.u16(),
    flags: reader.u16(),
    questions: reader.u16(),
    answers: reader.u16(),
    authorities: reader.u16(),
    additionals: reader.u16(),
  };
}

function readQuestion(reader: Reader): Question {
  const question = { name: reader.name(), type: reader.u16() };
  if (reader.u16() !== IN) throw new Malformed('question of another class');
  return question;
}

interface Sections {
  readonly answers: ResourceRecord[];
  soa: DnsReply['soa'];
  udpSize: number | undefined;
  dnssecOk: boolean;
  upperRcode: number;
}

/** The three record sections. Of authorities only an SOA is kept, of additionals only what OPT says. */
function readRecords(reader: Reader, header: Header): Sections {
  const found: Sections = { answers: [], soa: undefined, udpSize: undefined, dnssecOk: false, upperRcode: 0 };
  for (let i = 0; i < header.answers; i++) {
    const record = readRaw(reader);
    const answer = i < MAX_ANSWER_RECORDS ? toRecord(record) : undefined;
    if (answer !== undefined) found.answers.push(answer);
  }
  for (let i = 0; i < header.authorities; i++) {
    const record = readRaw(reader);
    const authority = record.type === RECORD_TYPES.SOA ? toRecord(record) : undefined;
    if (authority?.type === 'SOA') found.soa ??= authority;
  }
  for (let i = 0; i < header.additionals; i++) {
    const { type, class: size, ttl } = readRaw(reader);
    if (type !== OPT) continue;
    found.udpSize = size;
    found.upperRcode = ttl >>> 24;
    found.dnssecOk = (ttl & DO) !== 0;
  }
  return found;
}

interface RawRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly rdata: Reader;
}

function readRaw(reader: Reader): RawRecord {
  const record = { name: reader.name(), type: reader.u16(), class: reader.u16(), ttl: reader.u32() };
  return { ...record, rdata: reader.part(reader.u16()) };
}

/** Records of other types and classes (signatures, for one) are passed over. */
function toRecord({ name, type, class: recordClass, ttl, rdata }: RawRecord): ResourceRecord | undefined {
  const known = recordTypeOf(type);
  if (known === undefined || recordClass !== IN) return undefined;
  return readRecord(known, name.toLowerCase(), ttl > MAX_TTL ? 0 : ttl, rdata);
}

/** The one place where the exceptions of reading end. */
function guarded<T>(read: () => T): Parsed<T> {
  try {
    return parsed(read());
  } catch (error) {
    if (error instanceof Malformed) return unparsed(error.message);
    throw error;
  }
}

function optRecord(udpSize: number, dnssecOk: boolean): Answer {
  const flags = dnssecOk ? DO : 0;
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: udpSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags,
    flag_do: dnssecOk,
    options: [],
  };
}

function packetRecord(record: ResourceRecord): Answer {
  const { name, ttl } = record;
  if (!isEncodable(name)) throw new Error(`DNS name cannot be written: ${JSON.stringify(name)}`);
  switch (record.type) {
    case 'MX':
      return { name, ttl, type: 'MX', data: { ...record.data, exchange: record.data.exchange || '.' } };
    case 'TXT':
      return { name, ttl, type: 'TXT', data: txtStrings(record.data) };
    case 'TLSA': {
      const { data: certificate, ...rest } = record.data;
      return { name, ttl, type: 'TLSA', data: { ...rest, certificate } };
    }
    case 'SOA':
      return { name, ttl, type: 'SOA', data: record.data };
    default:
      return { name, ttl, type: record.type, data: record.data };
  }
}

/** A TXT record is made of strings of at most 255 octets; at least one, though it be empty. */
function txtStrings(text: string): Buffer[] {
  const octets = Buffer.from(text);
  const count = Math.max(1, Math.ceil(octets.length / 255));
  return Array.from({ length: count }, (_, i) => octets.subarray(i * 255, (i + 1) * 255));
}
