/** The name servers that `/etc/resolv.conf` names. Its text is an argument: reading the file is the caller's. */

import { canonicalIp } from '../lib/ip.ts';

export interface DnsServer {
  /** Textual IP address. */
  readonly address: string;
  readonly port: number;
}

// As many as libc reads.
const MAX_SERVERS = 3;
const DNS_PORT = 53;
// A link-local address is only one together with its interface.
const SCOPED = /^(fe80:[\da-f:.]*)(%[\w.-]{1,32})$/i;

/** What cannot be understood is passed over; without any server it is the one on this machine. */
export function readResolvConf(text: string): readonly [DnsServer, ...DnsServer[]] {
  const addresses = text
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+([^\s#;]+)/.exec(line)?.[1] ?? [])
    .flatMap((word) => addressIn(word) ?? []);
  const [first = '127.0.0.1', ...rest] = addresses.slice(0, MAX_SERVERS);
  return [{ address: first, port: DNS_PORT }, ...rest.map((address) => ({ address, port: DNS_PORT }))];
}

function addressIn(word: string): string | undefined {
  const [, address = word, scope = ''] = SCOPED.exec(word) ?? [];
  const canonical = canonicalIp(address);
  return canonical.ok ? `${canonical.value}${scope}` : undefined;
}
