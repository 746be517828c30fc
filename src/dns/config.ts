/** The options of looking up names. */

import { canonicalIp } from '../lib/ip.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { checkedText, choice, count, duration, list, octets } from '../lib/schema.ts';

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

const server = checkedText('127.0.0.1', 'A resolver.', {
  expected: 'an IP address, with a port behind it where it is not 53 (127.0.0.1:5353, [::1]:5353)',
  parse: (value): Parsed<DnsServer> => {
    const match = /^(?:\[([^\]]+)\]|([^[\]]+?))(?::(\d{1,5}))?$/.exec(value);
    const whole = canonicalIp(value);
    if (whole.ok) return parsed({ address: whole.value, port: 53 });
    const ip = canonicalIp(match?.[1] ?? match?.[2] ?? '');
    const port = Number(match?.[3] ?? 53);
    if (!ip.ok) return ip;
    return port >= 1 && port <= 65_535 ? parsed({ address: ip.value, port }) : unparsed('no such port');
  },
});

export const DNS_OPTIONS = {
  servers: list(server, [], 'Resolvers to ask, in this order. None: those of the system (`/etc/resolv.conf`).'),
  trustAd: choice(
    ['loopback', 'always', 'never'],
    'loopback',
    'Whose word is taken that an answer was validated by DNSSEC: a resolver on this machine, any, or none.',
  ),
  timeout: duration('5s', 'Until another resolver is asked.', { min: 10, max: 60_000 }),
  attempts: count(2, 'Rounds through the resolvers before the answer is "not now".', { min: 1, max: 10 }),
  family: choice(
    ['both', 'preferIpv4', 'preferIpv6', 'ipv4', 'ipv6'],
    'both',
    'Which addresses of a host are dialled, and which first; `both` gives them in turn.',
  ),
  cache: octets('8MiB', 'Memory for answers, for each worker; some 16,000 of them.', { min: 65_536 }),
  maxTtl: duration('1d', 'An answer is not kept longer than this, whatever it says.'),
};
