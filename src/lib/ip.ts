/**
 * IP addresses as text and as numbers, and lists of networks.
 *
 * An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4 address: a socket that listens on `::` shows IPv4
 * clients so, and a list of networks must not be passed by the other spelling.
 *
 * RFC 4291 §2.2 (text forms), RFC 5952 (the canonical one). Leading zeros in IPv4 and zone ids are refused:
 * programs disagree on what they mean.
 */

import { type Parsed, parsed, unparsed } from './parsed.ts';

export interface IpAddress {
  readonly family: 4 | 6;
  /** In 32 or 128 bits. */
  readonly value: bigint;
}

const MAPPED_PREFIX = 0xffffn;
const IPV4_MASK = 0xffffffffn;
// `::ffff:255.255.255.255` with every zero written out, and some room.
const MAX_TEXT = 64;

/** Reads an address; IPv4-mapped IPv6 gives IPv4. */
export function parseIp(text: string): Parsed<IpAddress> {
  const family = text.includes(':') ? 6 : 4;
  const value = text.length > MAX_TEXT ? undefined : family === 6 ? ipv6Value(text) : ipv4Value(text);
  if (value === undefined) return unparsed('not an IP address');
  return parsed(
    family === 6 && value >> 32n === MAPPED_PREFIX ? { family: 4, value: value & IPV4_MASK } : { family, value },
  );
}

/** The canonical text (RFC 5952): lower case, the longest run of zeros as `::`. */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  return shortenZeros(ipv6Groups(value).map((group) => group.toString(16)));
}

export function canonicalIp(text: string): Parsed<string> {
  const ip = parseIp(text);
  return ip.ok ? parsed(formatIp(ip.value)) : ip;
}

function ipv4Value(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function ipv6Value(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = ipv6Half(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 1 ? [] : ipv6Half(halves[1] ?? '', true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<bigint>(missing).fill(0n), ...tail];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

/** The 16-bit groups of one side of `::`; dotted IPv4 may stand at the very end of the address. */
function ipv6Half(text: string, last: boolean): readonly bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else {
      const dotted = last && i === parts.length - 1 ? ipv4Value(part) : undefined;
      if (dotted === undefined) return undefined;
      groups.push(dotted >> 16n, dotted & 0xffffn);
    }
  }
  return groups;
}

function ipv6Groups(value: bigint): readonly bigint[] {
  return Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
}

function shortenZeros(groups: readonly string[]): string {
  const text = groups.join(':');
  // The first of the longest runs of at least two zero groups (RFC 5952 §4.2).
  const runs = [...text.matchAll(/(?<=^|:)0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce<RegExpExecArray | undefined>(
    (best, run) => (best === undefined || run[0].length > best[0].length ? run : best),
    undefined,
  );
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** A list of networks, asked in time that does not grow with the list. */
export class Networks {
  /** Network numbers by family and prefix length. */
  readonly #byPrefix = new Map<
    string,
    { readonly family: 4 | 6; readonly shift: bigint; readonly values: Set<bigint> }
  >();

  #last = { address: '', contains: false };

  /** Elements are `192.0.2.0/24`, `2001:db8::/32` or single addresses. The reason names the bad element. */
  static parse(list: readonly string[]): Parsed<Networks> {
    const networks = new Networks();
    for (const text of list) {
      const problem = networks.#add(text);
      if (problem !== undefined) return unparsed(`${JSON.stringify(text.slice(0, MAX_TEXT))}: ${problem}`);
    }
    return parsed(networks);
  }

  /** False for what is no address at all. The latest answer is remembered: a client is asked about for each recipient. */
  contains(address: string): boolean {
    if (this.#last.address !== address) this.#last = { address, contains: this.#find(address) };
    return this.#last.contains;
  }

  #find(address: string): boolean {
    const ip = parseIp(address);
    if (!ip.ok) return false;
    for (const { family, shift, values } of this.#byPrefix.values())
      if (family === ip.value.family && values.has(ip.value.value >> shift)) return true;
    return false;
  }

  #add(text: string): string | undefined {
    const slash = text.indexOf('/');
    const address = slash === -1 ? text : text.slice(0, slash);
    const ip = parseIp(address);
    if (!ip.ok) return ip.reason;
    const written = slash === -1 ? undefined : text.slice(slash + 1);
    const bits = prefixBits(written, ip.value.family, address.includes(':'));
    if (bits === undefined) return 'bad prefix length';
    const { family, value } = ip.value;
    const shift = BigInt((family === 4 ? 32 : 128) - bits);
    if ((value >> shift) << shift !== value)
      return `has bits set after the prefix; did you mean ${formatIp({ family, value: (value >> shift) << shift })}/${bits}?`;
    const key = `${family}/${bits}`;
    const same = this.#byPrefix.get(key) ?? { family, shift, values: new Set<bigint>() };
    this.#byPrefix.set(key, same);
    same.values.add(value >> shift);
    return undefined;
  }
}

/** The prefix length in bits of the family; `/120` of a mapped address is `/24`. */
function prefixBits(written: string | undefined, family: 4 | 6, writtenAsIpv6: boolean): number | undefined {
  const width = family === 4 ? 32 : 128;
  if (written === undefined) return width;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(written)) return undefined;
  const bits = Number(written) - (family === 4 && writtenAsIpv6 ? 96 : 0);
  return bits >= 0 && bits <= width ? bits : undefined;
}

const LOOPBACK = known(['127.0.0.0/8', '::1']);
// RFC 6890 and its successors: networks that no host of the Internet is reached at.
const PRIVATE = known([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::',
  '::1',
  'fc00::/7',
  'fe80::/10',
]);

function known(list: readonly string[]): Networks {
  const networks = Networks.parse(list);
  if (!networks.ok) throw new Error(networks.reason);
  return networks.value;
}

export function isLoopback(address: string): boolean {
  return LOOPBACK.contains(address);
}

/** Loopback, link-local, unspecified, shared or private: not an address of the public Internet. */
export function isPrivate(address: string): boolean {
  return PRIVATE.contains(address);
}
