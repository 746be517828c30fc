/** A resolver with a zone in memory: for each name its records by type, or a failure. */

import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../../src/ports/resolver.ts';

type Records = { readonly [T in DnsType]?: readonly DnsRecords[T][] } & {
  /** DNSSEC vouches for what is said of the name. */
  readonly secure?: boolean;
};
export type TestZone = Readonly<Record<string, Records | 'SERVFAIL'>>;

const TTL = 300;

/** The zone is read at each question: a test may change it. CNAMEs are followed, as far as they lead to something. */
export function zoneResolver(zone: TestZone, asked: string[] = []): Resolver {
  return {
    resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
      asked.push(`${type} ${name}`);
      return Promise.resolve(answerOf(zone, name, type));
    },
  };
}

function answerOf<T extends DnsType>(zone: TestZone, name: string, type: T): DnsAnswer<DnsRecords[T]> {
  const found = zone[name];
  if (found === 'SERVFAIL') return { kind: 'temporary', reason: 'SERVFAIL' };
  if (found === undefined) return { kind: 'noName', ttl: TTL, authenticated: false };
  const authenticated = found.secure === true;
  const [first, ...rest] = (found[type] ?? []) as readonly DnsRecords[T][];
  if (first !== undefined) return { kind: 'found', records: [first, ...rest], ttl: TTL, authenticated };
  const [alias] = found.CNAME ?? [];
  if (alias === undefined) return { kind: 'noData', ttl: TTL, authenticated };
  const answer = answerOf(zone, alias, type);
  if (answer.kind === 'temporary') return answer;
  const known = { ...answer, authenticated: authenticated && answer.authenticated };
  return known.kind === 'found' ? { ...known, name: known.name ?? alias } : known;
}
