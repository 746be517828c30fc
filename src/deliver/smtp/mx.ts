/**
 * Where mail for a domain goes (RFC 5321 §5.1, RFC 7505).
 *
 * MX records are asked for first. Only when there is none at all is the domain its own host; when there are some and
 * none is usable, the mail fails, whatever address the domain has. A lookup that could not be made decides nothing.
 * When one of the hosts is ourselves, it and all that are not better than it are dropped, so that mail only ever moves
 * towards its destination. Hosts without an address stay: that is decided when they are dialed.
 */

import { type Domain, parseDomain } from '../../mail/domain.ts';
import { type AddressLiteral, addressOf, isAddressLiteral } from '../../mail/path.ts';
import { HOUR, SECOND } from '../../lib/time.ts';
import { type Random } from '../../ports/random.ts';
import { type DnsAnswer, type MxRecord, type Resolver } from '../../ports/resolver.ts';
import { type Host } from '../../queue/dispatch.ts';
import { type SiteAnswer } from '../../queue/site.ts';
import { addressesOf, type AddressFamily } from './addresses.ts';

export interface SiteDeps {
  readonly resolver: Resolver;
  /** Our own names, in lower case. */
  readonly helloNames: ReadonlySet<string>;
  /** One of our own addresses: what is sent there comes back. */
  readonly ownAddresses: (address: string) => boolean;
  /** At most so many hosts are named. */
  readonly maxHosts: number;
  readonly random: Random;
  readonly family: AddressFamily;
}

/** A TTL of zero is no leave to ask for each message. */
const MIN_TTL = 5 * SECOND;
const LITERAL_TTL = HOUR;
/** The addresses of so many hosts are looked up to find ourselves among them; what comes after them is not used. */
const MAX_CONSIDERED = 20;

/** Where a domain leads. Never throws for what the DNS says. */
export async function findSite(domain: Domain | AddressLiteral, deps: SiteDeps): Promise<SiteAnswer> {
  if (isAddressLiteral(domain)) return literalSite(domain, deps);
  const answer = await deps.resolver.resolve(domain, 'MX');
  switch (answer.kind) {
    case 'found':
      return siteOfRecords(domain, answer, deps);
    case 'noData':
      return implicitSite(domain, answer, deps);
    case 'noName':
      return failed('5.1.2', `domain ${domain} does not exist`, answer.ttl);
    case 'temporary':
      return deferred(`MX of ${domain} could not be looked up: ${answer.reason}`);
  }
}

/** By preference, in random order among equals (RFC 5321 §5.1). Anew for each attempt. */
export function hostsInOrder(hosts: readonly Host[], random: Random): readonly Host[] {
  return hosts
    .map((host) => ({ host, lot: random.next() }))
    .sort((a, b) => a.host.preference - b.host.preference || a.lot - b.lot)
    .map(({ host }) => host);
}

/** Mail from such a domain could never be answered: RFC 7505 §4.2, 550 5.7.27. False when it cannot be told. */
export async function nullMxSender(domain: Domain | AddressLiteral | '', resolver: Resolver): Promise<boolean> {
  if (domain === '' || isAddressLiteral(domain)) return false;
  const answer = await resolver.resolve(domain, 'MX');
  return answer.kind === 'found' && isNullMx(answer.records);
}

function isNullMx(records: readonly MxRecord[]): boolean {
  return records.every(({ exchange }) => exchange === '');
}

function literalSite(literal: AddressLiteral, { ownAddresses }: SiteDeps): SiteAnswer {
  const address = addressOf(literal);
  if (ownAddresses(address)) return ourselves(literal, LITERAL_TTL / SECOND);
  const hosts = [{ name: address, preference: 0 }] as const;
  return { kind: 'site', site: literal, hosts, ttl: LITERAL_TTL, authenticated: false };
}

/** RFC 5321 §5.1: without any MX record the domain is treated as if it had one that names itself. */
async function implicitSite(domain: Domain, { ttl, authenticated }: Known, deps: SiteDeps): Promise<SiteAnswer> {
  const { resolver, family, helloNames, ownAddresses } = deps;
  if (helloNames.has(domain)) return ourselves(domain, ttl);
  const addresses = await addressesOf(domain, resolver, family);
  switch (addresses.kind) {
    case 'none':
      return failed(
        '5.1.2',
        `domain ${domain} has neither MX records nor an address that is used here`,
        Math.min(ttl, addresses.ttl),
      );
    case 'temporary':
      return deferred(`address of ${domain} could not be looked up: ${addresses.reason}`);
    case 'addresses':
      if (addresses.addresses.some(ownAddresses)) return ourselves(domain, Math.min(ttl, addresses.ttl));
      return site([{ name: domain, preference: 0 }], { ttl, authenticated }, deps);
  }
}

async function siteOfRecords(
  domain: Domain,
  answer: Extract<DnsAnswer<MxRecord>, { kind: 'found' }>,
  deps: SiteDeps,
): Promise<SiteAnswer> {
  if (isNullMx(answer.records)) return failed('5.1.10', `domain ${domain} does not accept mail (null MX)`, answer.ttl);
  const [best, ...others] = usableHosts(answer.records);
  if (best === undefined) return failed('5.4.4', `no MX record of ${domain} names a usable host`, answer.ttl);
  const [left, ...more] = await betterThanOurselves([best, ...others], deps);
  return left === undefined ? ourselves(domain, answer.ttl) : site([left, ...more], answer, deps);
}

/** The hosts by preference and name, each once; what is no host name (`.` among others, IP addresses) is junk. */
function usableHosts(records: readonly MxRecord[]): readonly Host[] {
  const best = new Map<string, number>();
  for (const { exchange, preference } of records) {
    const name = exchange.toLowerCase();
    if (isHostName(name)) best.set(name, Math.min(preference, best.get(name) ?? preference));
  }
  return Array.from(best, ([name, preference]) => ({ name, preference })).sort(
    (a, b) => a.preference - b.preference || (a.name < b.name ? -1 : 1),
  );
}

/** A domain; in the names of hosts underscores are met, and do no harm. */
function isHostName(name: string): boolean {
  return parseDomain(name.replaceAll('_', 'x')).ok;
}

async function betterThanOurselves(hosts: readonly Host[], deps: SiteDeps): Promise<readonly Host[]> {
  const considered = hosts.slice(0, MAX_CONSIDERED);
  const byAddress = await Promise.all(considered.map((host) => isOurAddress(host, deps)));
  const own = hosts.filter(({ name }, i) => byAddress[i] === true || deps.helloNames.has(name));
  const bestOwn = Math.min(...own.map(({ preference }) => preference));
  return considered.filter(({ preference }) => preference < bestOwn);
}

async function isOurAddress({ name }: Host, { resolver, ownAddresses }: SiteDeps): Promise<boolean> {
  // Both families: the address that is ours may be one that we do not use for sending.
  const found = await addressesOf(name, resolver, 'both');
  return found.kind === 'addresses' && found.addresses.some(ownAddresses);
}

interface Known {
  /** Seconds. */
  readonly ttl: number;
  readonly authenticated: boolean;
}

function site(hosts: readonly [Host, ...Host[]], { ttl, authenticated }: Known, deps: SiteDeps): SiteAnswer {
  const names = hosts.map(({ name }) => name).sort();
  const [first = hosts[0], ...rest] = hostsInOrder(hosts, deps.random).slice(0, deps.maxHosts);
  return { kind: 'site', site: names.join(','), hosts: [first, ...rest], ttl: lifetime(ttl), authenticated };
}

function ourselves(domain: string, ttl: number): SiteAnswer {
  return failed('5.4.6', `mail for ${domain} would come back to this host: its best MX is ourselves`, ttl);
}

function failed(status: '5.1.2' | '5.1.10' | '5.4.4' | '5.4.6', text: string, ttl: number): SiteAnswer {
  return { kind: 'failed', status, diagnostic: `postrider: ${text}`, ttl: lifetime(ttl) };
}

function deferred(text: string): SiteAnswer {
  return { kind: 'deferred', status: '4.4.3', diagnostic: `postrider: ${text}`, ttl: MIN_TTL };
}

function lifetime(ttl: number): number {
  return Math.max(MIN_TTL, ttl * SECOND);
}
