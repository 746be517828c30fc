/** Options whose values are words of mail: domains, mailboxes, networks, next hops. The parts' options are made of these. */

import { canonicalIp, formatIp, Networks, parseIp } from '../lib/ip.ts';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { checkedText } from '../lib/schema.ts';
import { type Option } from '../lib/schema-reading.ts';
import { parseDomain } from './domain.ts';
import { formatMailbox, parseMailbox } from './path.ts';

type TextOption<T = string> = Option<T, string, 'given'>;

export function domainName(written: string, doc: string): TextOption {
  return checkedText(written, doc, { expected: 'a domain name', parse: parseDomain });
}

/** A host as it can be dialled or listened on: a name, or an IP address without brackets. */
export function hostOrAddress(written: string, doc: string): TextOption {
  return checkedText(written, doc, { expected: 'a host name or an IP address', parse: parseHost });
}

export function ipAddress(family: 4 | 6, written: string, doc: string): TextOption {
  return checkedText(written, doc, {
    expected: `an IPv${family} address`,
    parse: (value) => {
      const ip = parseIp(value);
      if (!ip.ok) return ip;
      return ip.value.family === family ? parsed(formatIp(ip.value)) : unparsed(`it is one of IPv${ip.value.family}`);
    },
  });
}

/** Kept as text; a set of them is made with `Networks.parse`, which takes what this accepts. */
export function network(written: string, doc: string): TextOption {
  return checkedText(written, doc, {
    expected: 'a network like 192.0.2.0/24 or an IP address',
    parse: (value) => {
      const networks = Networks.parse([value]);
      return networks.ok ? parsed(value) : unparsed(networks.reason.replace(/^"[^"]*": /, ''));
    },
  });
}

/** `user@example.com`; a local part alone is completed by the caller. */
export function address(written: string, doc: string): TextOption {
  return checkedText(written, doc, {
    expected: 'an address',
    parse: (value) => {
      const mailbox = parseMailbox(value.includes('@') ? value : `${value}@completed.invalid`);
      if (!mailbox.ok) return mailbox;
      return parsed(value.includes('@') ? formatMailbox(mailbox.value) : value);
    },
  });
}

/** With its domain. */
export function wholeAddress(written: string, doc: string): TextOption {
  return checkedText(written, doc, {
    expected: 'an address',
    parse: (value) => {
      const mailbox = parseMailbox(value);
      return mailbox.ok ? parsed(formatMailbox(mailbox.value)) : mailbox;
    },
  });
}

/** `example.com`, `.example.com`, `*`, `user@example.com`, `<>`. */
export function addressPattern(written: string, doc: string): TextOption {
  return checkedText(written, doc, {
    expected: 'example.com, .example.com, *, <> or user@example.com',
    parse: (value) => {
      if (value === '*' || value === '<>') return parsed(value);
      if (!value.includes('@')) {
        const domain = parseDomain(value.replace(/^\./, ''));
        return domain.ok ? parsed(value.startsWith('.') ? `.${domain.value}` : domain.value) : domain;
      }
      const mailbox = parseMailbox(value);
      return mailbox.ok ? parsed(formatMailbox(mailbox.value)) : mailbox;
    },
  });
}

export type NextHopAddress = { readonly host: string; readonly port: number } | { readonly socket: string };

/** `host:port`, `[2001:db8::1]:port`, or the path of a socket. */
export function nextHopAddress(written: string, doc: string): TextOption<NextHopAddress> {
  return checkedText(written, doc, {
    expected: 'host:port or the absolute path of a socket',
    parse: (value): Parsed<NextHopAddress> => {
      if (value.startsWith('/')) return parsed({ socket: value });
      const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
      const port = Number(match?.[3]);
      const host = parseHost(match?.[1] ?? match?.[2] ?? '');
      if (match === null || port < 1 || port > 65_535) return unparsed('no port');
      return host.ok ? parsed({ host: host.value, port }) : host;
    },
  });
}

function parseHost(text: string): Parsed<string> {
  const ip = canonicalIp(text);
  return ip.ok ? ip : parseDomain(text);
}
