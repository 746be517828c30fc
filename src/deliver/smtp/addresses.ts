/** The addresses of a host, in the order in which they are to be dialed. */

import { canonicalIp } from '../../lib/ip.ts';
import { type DnsAnswer, type Resolver } from '../../ports/resolver.ts';

/** `both` takes them in turns, so that neither family's addresses are all behind the other's. */
export type AddressFamily = 'both' | 'ipv4' | 'ipv6' | 'ipv4First' | 'ipv6First';

export type HostAddresses =
  | {
      readonly kind: 'addresses';
      readonly addresses: readonly [string, ...string[]];
      /** Seconds. */
      readonly ttl: number;
      /** Every address comes from an answer that is. */
      readonly authenticated: boolean;
      /** Where CNAMEs lead from the host; absent where there are none. */
      readonly name?: string | undefined;
    }
  /** The host has no address of this family, or does not exist. */
  | { readonly kind: 'none'; readonly ttl: number; readonly authenticated: boolean }
  | { readonly kind: 'temporary'; readonly reason: string };

/** Of each family; a host with more is not better reachable. */
const MAX_ADDRESSES = 8;
const LITERAL_TTL = 3600;

/** `host`: a name, looked up now, or an IP address, which is its own. */
export async function addressesOf(host: string, resolver: Resolver, family: AddressFamily): Promise<HostAddresses> {
  const literal = canonicalIp(host);
  if (literal.ok) return literalAddress(literal.value, family);
  const [ipv4, ipv6] = await Promise.all([
    family === 'ipv6' ? undefined : resolver.resolve(host, 'A'),
    family === 'ipv4' ? undefined : resolver.resolve(host, 'AAAA'),
  ]);
  const answers = [ipv4, ipv6].filter((answer) => answer !== undefined);
  const [first, ...rest] = inOrder(recordsOf(ipv4), recordsOf(ipv6), family);
  if (first === undefined) return noAddress(answers);
  const found = answers.filter((answer) => answer.kind === 'found');
  return {
    kind: 'addresses',
    addresses: [first, ...rest],
    ttl: Math.min(...found.map(({ ttl }) => ttl)),
    authenticated: found.every(({ authenticated }) => authenticated),
    ...aliasOf(found),
  };
}

function aliasOf([first]: readonly { readonly name?: string }[]): { readonly name?: string } {
  return first?.name === undefined ? {} : { name: first.name };
}

function literalAddress(address: string, family: AddressFamily): HostAddresses {
  const fits = address.includes(':') ? family !== 'ipv4' : family !== 'ipv6';
  if (!fits) return { kind: 'none', ttl: LITERAL_TTL, authenticated: false };
  return { kind: 'addresses', addresses: [address], ttl: LITERAL_TTL, authenticated: false };
}

/** With one family unknown, that the other has nothing says nothing of the host. */
function noAddress(answers: readonly DnsAnswer<string>[]): HostAddresses {
  const known = answers.filter((answer) => answer.kind !== 'temporary');
  const unknown = answers.find((answer) => answer.kind === 'temporary');
  if (unknown !== undefined) return unknown;
  return {
    kind: 'none',
    ttl: Math.min(...known.map(({ ttl }) => ttl)),
    authenticated: known.every(({ authenticated }) => authenticated),
  };
}

function recordsOf(answer: DnsAnswer<string> | undefined): readonly string[] {
  return answer?.kind === 'found' ? answer.records.slice(0, MAX_ADDRESSES) : [];
}

function inOrder(ipv4: readonly string[], ipv6: readonly string[], family: AddressFamily): readonly string[] {
  if (family === 'ipv4First') return [...ipv4, ...ipv6];
  if (family === 'ipv6First') return [...ipv6, ...ipv4];
  const turns = Array.from({ length: Math.max(ipv4.length, ipv6.length) }, (_, i) => [ipv6[i], ipv4[i]]);
  return turns.flat().filter((address) => address !== undefined);
}
