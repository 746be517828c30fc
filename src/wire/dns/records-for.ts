/** Picks the records that answer a question out of a reply, through its CNAMEs (RFC 1034 §3.6.2). */

import { type DnsReply } from './message.ts';
import { type RecordData, type RecordType, type ResourceRecord } from './record.ts';

/** Of a chain that is longer, nobody can tell that it ends. */
export const MAX_CNAMES = 8;

export type RecordsFor<T extends RecordType> =
  | {
      readonly kind: 'records';
      readonly records: readonly [RecordData[T], ...RecordData[T][]];
      /** Whose they are: where CNAMEs led to, if there were any. */
      readonly owner: string;
      readonly ttl: number;
    }
  /** `owner` is the name that has none: where `cnames` CNAMEs led to, or, without any, the one that was asked for. */
  | { readonly kind: 'none'; readonly owner: string; readonly cnames: number; readonly ttl: number }
  | { readonly kind: 'badChain' };

/** `ttl` is the lowest on the way, in seconds. Records of other names are not looked at, whatever they say. */
export function recordsFor<T extends RecordType>(reply: DnsReply, name: string, type: T): RecordsFor<T> {
  let owner = name.toLowerCase();
  let ttl = Infinity;
  for (let cnames = 0; cnames <= MAX_CNAMES; cnames++) {
    const here = reply.answers.filter((record) => record.name === owner);
    const [first, ...rest] = here.filter((record): record is RecordOf<T> => record.type === type);
    if (first !== undefined) {
      const records = [first, ...rest];
      return {
        kind: 'records',
        records: [dataOf(first), ...rest.map(dataOf)],
        owner,
        ttl: Math.min(ttl, ...records.map((record) => record.ttl)),
      };
    }
    const alias = here.find((record) => record.type === 'CNAME');
    if (alias === undefined) return { kind: 'none', owner, cnames, ttl };
    owner = alias.data;
    ttl = Math.min(ttl, alias.ttl);
  }
  return { kind: 'badChain' };
}

type RecordOf<T extends RecordType> = Extract<ResourceRecord, { type: T }>;

function dataOf<T extends RecordType>(record: RecordOf<T>): RecordData[T] {
  return record.data as RecordData[T];
}
