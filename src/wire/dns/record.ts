/** Resource records: those that mail asks for, and those that answers to mail's questions contain. */

import { canonicalIp } from '../../lib/ip.ts';
import { Malformed, type Reader } from './reader.ts';

export const RECORD_TYPES = { A: 1, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, TLSA: 52 } as const;

export type RecordType = keyof typeof RECORD_TYPES;

/** The parts of an SOA record that decide how long a negative answer may be kept (RFC 2308 §3). */
export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly minimum: number;
}

export interface RecordData {
  A: string;
  AAAA: string;
  CNAME: string;
  PTR: string;
  /** `exchange` of a null MX is `''`. */
  MX: { readonly preference: number; readonly exchange: string };
  /** The strings of the record joined without a space. */
  TXT: string;
  TLSA: { readonly usage: number; readonly selector: number; readonly matchingType: number; readonly data: Buffer };
  SOA: SoaData;
}

export type ResourceRecord = {
  [T in RecordType]: {
    readonly name: string;
    readonly type: T;
    /** Seconds. */
    readonly ttl: number;
    readonly data: RecordData[T];
  };
}[RecordType];

const NAMES = new Map<number, RecordType>(
  Object.entries(RECORD_TYPES).map(([name, number]) => [number, name as RecordType]),
);

export function recordTypeOf(number: number): RecordType | undefined {
  return NAMES.get(number);
}

const READ: { readonly [T in RecordType]: (rdata: Reader) => RecordData[T] } = {
  A: (rdata) => rdata.octets(4).join('.'),
  AAAA: readAaaa,
  CNAME: (rdata) => rdata.name().toLowerCase(),
  PTR: (rdata) => rdata.name().toLowerCase(),
  MX: (rdata) => ({ preference: rdata.u16(), exchange: rdata.name().toLowerCase() }),
  TXT: readTxt,
  TLSA: readTlsa,
  SOA: readSoa,
};

/** Reads RDATA to its very end. */
export function readRecord(type: RecordType, name: string, ttl: number, rdata: Reader): ResourceRecord {
  const data = READ[type](rdata);
  rdata.finish();
  // The table above gives each type its data.
  return { name, type, ttl, data } as ResourceRecord;
}

function readAaaa(rdata: Reader): string {
  const groups = Array.from({ length: 8 }, () => rdata.u16().toString(16));
  const address = canonicalIp(groups.join(':'));
  if (!address.ok) throw new Malformed(address.reason);
  return address.value;
}

function readTxt(rdata: Reader): string {
  const strings: Buffer[] = [];
  do strings.push(rdata.octets(rdata.u8()));
  while (rdata.left > 0);
  return Buffer.concat(strings).toString('utf8');
}

function readTlsa(rdata: Reader): RecordData['TLSA'] {
  if (rdata.left < 4) throw new Malformed('TLSA record has no certificate data');
  return {
    usage: rdata.u8(),
    selector: rdata.u8(),
    matchingType: rdata.u8(),
    // A copy: the record may be kept for a day, the whole message need not.
    data: Buffer.from(rdata.octets(rdata.left)),
  };
}

function readSoa(rdata: Reader): SoaData {
  const mname = rdata.name().toLowerCase();
  const rname = rdata.name().toLowerCase();
  // Serial, refresh, retry and expire are for secondary servers.
  rdata.octets(16);
  return { mname, rname, minimum: rdata.u32() };
}
