/**
 * Which TLSA records a host has, as far as DNSSEC vouches for it (RFC 7672 §2.2).
 *
 * Asked only where the addresses are vouched for: name servers of unsigned domains are known to fail at such questions.
 * Of a host that is an alias the end of the chain is asked first, then the host itself (§2.2.2). What cannot be looked up
 * is never taken for nothing.
 */

import { isIP } from 'node:net';
import { type Resolver } from '../../ports/resolver.ts';
import { usableRecords } from '../../tlspolicy/dane.ts';
import { type DaneFacts } from '../../tlspolicy/decide.ts';
import { type HostAddresses } from './addresses.ts';

export const NO_DANE: DaneFacts = { kind: 'none' };

type Found = Pick<Extract<HostAddresses, { kind: 'addresses' }>, 'authenticated' | 'name'>;

/** `found`: what the look-up of its addresses gave. */
export async function daneFacts(
  { host, port }: { readonly host: string; readonly port: number },
  found: Found,
  resolver: Resolver,
): Promise<DaneFacts> {
  const bases = await basesOf(host, found, resolver);
  if (!Array.isArray(bases)) return bases;
  for (const base of bases) {
    const facts = await recordsAt(base, port, resolver);
    if (facts.kind !== 'none') return facts;
  }
  return NO_DANE;
}

async function basesOf(host: string, found: Found, resolver: Resolver): Promise<string[] | DaneFacts> {
  if (isIP(host) !== 0) return NO_DANE;
  const { authenticated, name } = found;
  if (authenticated) return name === undefined ? [host] : [name, host];
  if (name === undefined) return NO_DANE;
  // The alias may be in a signed zone though what it leads to is not.
  const alias = await resolver.resolve(host, 'CNAME');
  if (alias.kind === 'temporary') return alias;
  return alias.kind === 'found' && alias.authenticated ? [host] : NO_DANE;
}

async function recordsAt(base: string, port: number, resolver: Resolver): Promise<DaneFacts> {
  const answer = await resolver.resolve(`_${port}._tcp.${base}`, 'TLSA');
  if (answer.kind === 'temporary') return answer;
  if (answer.kind !== 'found' || !answer.authenticated) return NO_DANE;
  const records = usableRecords(answer.records);
  return records.length === 0 ? { kind: 'unusable', base } : { kind: 'usable', base, records };
}
