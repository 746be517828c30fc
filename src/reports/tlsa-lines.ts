/**
 * The TLSA records of hosts as they are published now, as reports word a policy of DANE (RFC 8460 §4.5): each the four
 * fields of its RDATA (RFC 6698 §2.2).
 *
 * Only what DNSSEC vouches for is a policy. Of a host that is an alias the end of the chain has the first say (RFC 7672
 * §2.2.2). What cannot be looked up is left out: the report goes without it.
 */

import { type Resolver, type TlsaRecord } from '../ports/resolver.ts';

/** Whole certificates in the DNS would make a report of any length. */
const MAX_LINES = 50;
const MAX_DATA_OCTETS = 4096;

export async function tlsaLines(hosts: readonly string[], resolver: Resolver): Promise<readonly string[]> {
  const records = await Promise.all(hosts.map((host) => recordsOf(host, resolver)));
  const lines = records.flat().filter(({ data }) => data.length <= MAX_DATA_OCTETS);
  return [...new Set(lines.map(lineOf))].slice(0, MAX_LINES);
}

async function recordsOf(host: string, resolver: Resolver): Promise<readonly TlsaRecord[]> {
  for (const base of await basesOf(host, resolver)) {
    const answer = await resolver.resolve(`_25._tcp.${base}`, 'TLSA');
    if (answer.kind === 'found' && answer.authenticated) return answer.records;
  }
  return [];
}

async function basesOf(host: string, resolver: Resolver): Promise<readonly string[]> {
  for (const type of ['A', 'AAAA'] as const) {
    const answer = await resolver.resolve(host, type);
    if (answer.kind === 'found') return answer.name === undefined ? [host] : [answer.name, host];
  }
  return [host];
}

function lineOf({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${data.toString('hex').toUpperCase()}`;
}
