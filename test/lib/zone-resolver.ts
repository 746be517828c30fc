/** A resolver with a zone in memory: for each name its records by type, or a failure. */

import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../../src/ports/resolver.ts';

type Records = { readonly [T in DnsType]?: readonly DnsRecords[T][] };
export type TestZone = Readonly<Record<string, Records | 'SERVFAIL'>>;

const TTL = 300;

/** The zone is read at each question: a test may change it. */
export function zoneResolver(zone: TestZone, asked: string[] = []): Resolver {
  return {
    resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
      asked.push(`${type} ${name}`);
      const found = zone[name];
      if (found === 'SERVFAIL') return Promise.resolve({ kind: 'temporary', reason: 'SERVFAIL' });
      if (found === undefined) return Promise.resolve({ kind: 'noName', ttl: TTL, authenticated: false });
      const [first, ...rest] = (found[type] ?? []) as readonly DnsRecords[T][];
      if (first === undefined) return Promise.resolve({ kind: 'noData', ttl: TTL, authenticated: false });
      return Promise.resolve({ kind: 'found', records: [first, ...rest], ttl: TTL, authenticated: false });
    },
  };
}
