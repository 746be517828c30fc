/** The addresses of a host, as a check of records compares them. */

import { canonicalIp } from '../lib/ip.ts';
import { type DnsAnswer, type Resolver } from '../ports/resolver.ts';

export type AddressType = 'A' | 'AAAA';

export interface HostAddresses {
  readonly host: string;
  /** The end of the chain of CNAMEs, or the host itself. */
  readonly end: string;
  readonly addresses: Readonly<Record<AddressType, readonly string[]>>;
  /** Why some of them may be missing; absent: these are all. */
  readonly unanswered: string | undefined;
}

export async function addressesOf(host: string, resolver: Resolver): Promise<HostAddresses> {
  const [four, six] = await Promise.all([resolver.resolve(host, 'A'), resolver.resolve(host, 'AAAA')]);
  const failed = [four, six].find((answer) => answer.kind === 'temporary');
  return {
    host,
    end: endOf(four) ?? endOf(six) ?? host,
    addresses: { A: recordsOf(four), AAAA: recordsOf(six) },
    unanswered: failed?.kind === 'temporary' ? failed.reason : undefined,
  };
}

function endOf(answer: DnsAnswer<string>): string | undefined {
  return answer.kind === 'found' ? answer.name : undefined;
}

function recordsOf(answer: DnsAnswer<string>): readonly string[] {
  if (answer.kind !== 'found') return [];
  return answer.records.map((address) => {
    const canonical = canonicalIp(address);
    return canonical.ok ? canonical.value : address;
  });
}
