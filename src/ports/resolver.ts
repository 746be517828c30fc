/**
 * DNS as the product sees it: an answer is one of four things, and none of them is an exception.
 *
 * Names are A-labels without the final dot. CNAME chains have been followed (RFC 1034 §3.6.2).
 */

export interface Resolver {
  resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>>;
}

export interface DnsRecords {
  A: string;
  AAAA: string;
  MX: MxRecord;
  TXT: string;
  /** Asked for by itself, it is not followed. */
  CNAME: string;
  PTR: string;
  TLSA: TlsaRecord;
}

export type DnsType = keyof DnsRecords;

export interface MxRecord {
  readonly preference: number;
  /** `.` of a null MX (RFC 7505) is the empty string. */
  readonly exchange: string;
}

export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Buffer;
}

export type DnsAnswer<R> =
  | {
      readonly kind: 'found';
      readonly records: readonly [R, ...R[]];
      /** Seconds for which the answer may still be kept. */
      readonly ttl: number;
      /** The AD bit, from a resolver that is trusted to set it; of the whole chain, if there were CNAMEs. */
      readonly authenticated: boolean;
      /** The end of the chain of CNAMEs; absent where there was none. */
      readonly name?: string;
    }
  /** The name exists and has no such record. */
  | { readonly kind: 'noData'; readonly ttl: number; readonly authenticated: boolean }
  /** The name does not exist. */
  | { readonly kind: 'noName'; readonly ttl: number; readonly authenticated: boolean }
  /** SERVFAIL, a bogus signature, no answer in time, a malformed answer: ask again later. */
  | { readonly kind: 'temporary'; readonly reason: string };
