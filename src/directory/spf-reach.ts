/**
 * Whether an SPF record lets one address send: its terms in their order, the first that matches decides (RFC 7208 §4.6,
 * §5). Of a record that has been looked over before: it leads in no circle, and needs no more look-ups than are allowed.
 *
 * What depends on more than the address is not followed: macros, and names of clients (`ptr`).
 */

import { type IpAddress, parseIp } from '../lib/ip.ts';
import { type Resolver } from '../ports/resolver.ts';
import { isName, type Mechanism, readSpf, spfTexts } from './spf-terms.ts';

export type Reach =
  | { readonly kind: 'pass' }
  /** Another term than `all` matches before. */
  | { readonly kind: 'refused'; readonly term: string }
  | { readonly kind: 'unnamed' }
  | { readonly kind: 'unknown'; readonly term: string }
  | { readonly kind: 'noAnswer'; readonly name: string; readonly reason: string };

export interface Reaching {
  readonly domain: string;
  readonly text: string;
  readonly address: string;
}

/** RFC 7208 §4.6.4. */
const MAX_EXCHANGES = 10;
/** Deeper than ten look-ups can lead. */
const MAX_DEPTH = 12;

export async function reachOf({ domain, text, address }: Reaching, resolver: Resolver): Promise<Reach> {
  const ip = parseIp(address);
  return ip.ok ? new Reader(resolver, ip.value).record(text, domain, 0) : { kind: 'unnamed' };
}

/** Whether a term matches; a `Reach` where that cannot be told. */
type Match = 'yes' | 'no' | Extract<Reach, { kind: 'unknown' | 'noAnswer' }>;

class Reader {
  readonly #resolver: Resolver;
  readonly #ip: IpAddress;

  constructor(resolver: Resolver, ip: IpAddress) {
    this.#resolver = resolver;
    this.#ip = ip;
  }

  async record(text: string, domain: string, depth: number): Promise<Reach> {
    const { mechanisms, redirect } = readSpf(text);
    let unclear: Reach | undefined;
    for (const mechanism of mechanisms) {
      const match = await this.#match(mechanism, domain, depth);
      if (match === 'yes') return verdictOf(mechanism, unclear);
      // One that refuses if it matches: nothing that comes later is certain.
      if (match !== 'no' && mechanism.qualifier !== '+') return match;
      if (match !== 'no') unclear ??= match;
    }
    if (redirect === undefined) return unclear ?? { kind: 'unnamed' };
    const led = await this.#led(redirect, `redirect=${redirect}`, depth);
    return led.kind === 'pass' ? led : (unclear ?? led);
  }

  #match(mechanism: Mechanism, domain: string, depth: number): Match | Promise<Match> {
    const { name, argument, written } = mechanism;
    if (name === 'ip4' || name === 'ip6') return this.#isIn(argument, mechanism) ? 'yes' : 'no';
    if (name === 'all') return 'yes';
    if (name === 'ptr' || argument.includes('%')) return { kind: 'unknown', term: written };
    if (name === 'include') return this.#included(argument, written, depth);
    const target = argument === '' ? domain : nameOf(argument);
    if (!isName(target)) return 'no';
    if (name === 'mx') return this.#exchanges(target, mechanism);
    return name === 'exists' ? this.#exists(target) : this.#isAt(target, mechanism);
  }

  async #included(target: string, written: string, depth: number): Promise<Match> {
    const led = await this.#led(target, written, depth);
    if (led.kind === 'unknown' || led.kind === 'noAnswer') return led;
    return led.kind === 'pass' ? 'yes' : 'no';
  }

  async #led(target: string, term: string, depth: number): Promise<Reach> {
    if (target.includes('%') || depth === MAX_DEPTH) return { kind: 'unknown', term };
    const name = nameOf(target);
    const answer = await this.#resolver.resolve(name, 'TXT');
    if (answer.kind === 'temporary') return { kind: 'noAnswer', name, reason: answer.reason };
    const [text] = spfTexts(answer.kind === 'found' ? answer.records : []);
    return text === undefined ? { kind: 'unnamed' } : this.record(text, name, depth + 1);
  }

  async #exists(name: string): Promise<Match> {
    const answer = await this.#resolver.resolve(name, 'A');
    if (answer.kind === 'temporary') return { kind: 'noAnswer', name, reason: answer.reason };
    return answer.kind === 'found' ? 'yes' : 'no';
  }

  async #exchanges(domain: string, mechanism: Mechanism): Promise<Match> {
    const answer = await this.#resolver.resolve(domain, 'MX');
    if (answer.kind === 'temporary') return { kind: 'noAnswer', name: domain, reason: answer.reason };
    let unclear: Match = 'no';
    for (const { exchange } of answer.kind === 'found' ? answer.records.slice(0, MAX_EXCHANGES) : []) {
      const match = exchange === '' ? 'no' : await this.#isAt(exchange, mechanism);
      if (match === 'yes') return match;
      if (match !== 'no') unclear = match;
    }
    return unclear;
  }

  async #isAt(host: string, mechanism: Mechanism): Promise<Match> {
    const answer = await this.#resolver.resolve(host, this.#ip.family === 4 ? 'A' : 'AAAA');
    if (answer.kind === 'temporary') return { kind: 'noAnswer', name: host, reason: answer.reason };
    const addresses = answer.kind === 'found' ? answer.records : [];
    return addresses.some((address) => this.#isIn(address, mechanism)) ? 'yes' : 'no';
  }

  /** With as many leading bits as the term says. */
  #isIn(address: string, { name, prefix }: Mechanism): boolean {
    const other = parseIp(address);
    const { family, value } = this.#ip;
    if (!other.ok || other.value.family !== family || name === (family === 4 ? 'ip6' : 'ip4')) return false;
    const shift = BigInt(Math.max(0, (family === 4 ? 32 : 128) - bitsOf(prefix, family, name)));
    return other.value.value >> shift === value >> shift;
  }
}

function nameOf(written: string): string {
  return written.toLowerCase().replace(/\.$/, '');
}

function verdictOf({ qualifier, name, written }: Mechanism, unclear: Reach | undefined): Reach {
  if (qualifier === '+') return { kind: 'pass' };
  return unclear ?? (name === 'all' ? { kind: 'unnamed' } : { kind: 'refused', term: `${qualifier}${written}` });
}

/** `/24` of one address; of a host `/24` for IPv4 and `//64` for IPv6. */
function bitsOf(prefix: string, family: 4 | 6, name: string): number {
  const [, four, six] = /^(?:\/(\d{1,3}))?(?:\/\/(\d{1,3}))?$/.exec(prefix) ?? [];
  const bits = family === 4 || name === 'ip6' ? four : six;
  return bits === undefined ? 128 : Number(bits);
}
