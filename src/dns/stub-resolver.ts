/**
 * A stub resolver: asks recursive name servers, never libc, and remembers what they said.
 *
 * Promises: an answer or `temporary` within servers × attempts × the time limit (twice that, when an answer comes
 * truncated); never an exception for what a server sends; the same question is asked once however many wait for it;
 * no more than 512 questions on their way and 10,000 waiting behind them; the AD bit only from a server that is
 * trusted to set it, by default one on this machine (RFC 6840 §5.8: anybody on the way could set it). Of several servers,
 * one that is not trusted is not asked for what a trusted one could not vouch for.
 *
 * Leaves out: DNSSEC validation (the recursive server's work), iteration, search lists, `hosts` files.
 *
 * RFC 1034 §5.3.1, RFC 2308 (negative answers), RFC 5452 (forged ones), RFC 7766 (TCP).
 */

import { randomInt } from 'node:crypto';
import { isLoopback } from '../lib/ip.ts';
import { DAY, type Duration, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../ports/resolver.ts';
import { type Timers } from '../ports/timers.ts';
import { decodeAnswer, type DnsReply, encodeQuery, RCODE, rcodeName, typeNumber } from '../wire/dns/message.ts';
import { MAX_CNAMES, recordsFor } from '../wire/dns/records-for.ts';
import { AnswerCache, type AnyAnswer } from './answer-cache.ts';
import { askByTcp, askByUdp, type Accept, type Exchange, type Exchanged } from './exchange.ts';
import { type DnsServer } from './resolv-conf.ts';

export interface StubResolverOptions {
  /** Asked in order; one that works is stayed with. */
  readonly servers: readonly DnsServer[];
  /** For one query to one server. */
  readonly timeoutMs: number;
  /** Rounds over the servers. */
  readonly attempts: number;
  /** From which servers the AD bit is believed. */
  readonly trustAd: 'loopback' | 'always' | 'never';
  readonly cacheOctets: number;
  /** The longest that an answer is kept, in milliseconds; a day, unless told. */
  readonly maxTtl?: Duration;
  readonly clock: Clock;
  readonly timers: Timers;
}

const MAX_OPEN = 512;
const MAX_WAITING = 10_000;
const UDP_SIZE = 1232;
const MAX_NEGATIVE_TTL = 3600;
// RFC 2308 §5: without an SOA there is no leave to keep it; this only keeps a burst from asking again each time.
const UNSIGNED_NEGATIVE_TTL = 5;
const BAD_CHAIN = 'CNAME chain is too long or a loop';

export class StubResolver implements Resolver {
  readonly #options: StubResolverOptions;
  /** Seconds. */
  readonly #maxTtl: number;
  readonly #cache: AnswerCache;
  readonly #inFlight = new Map<string, Promise<AnyAnswer>>();
  /** Ends what is on its way. */
  readonly #aborts = new Set<() => void>();
  readonly #waiting: (() => void)[] = [];
  #closed = false;
  #open = 0;
  /** Index of the server that answered last. */
  #preferred = 0;

  constructor(options: StubResolverOptions) {
    if (options.servers.length === 0) throw new Error('a resolver needs a server');
    // Where one is trusted the others are not asked: what a failure makes of its answers is no answer (RFC 7672 §2.1).
    const trusted = options.servers.filter((server) => isTrusted(server, options.trustAd));
    this.#options = { ...options, servers: trusted.length > 0 ? trusted : options.servers };
    this.#maxTtl = Math.floor((options.maxTtl ?? DAY) / SECOND);
    this.#cache = new AnswerCache(options.clock, options.cacheOctets);
  }

  /** A name without the final dot. */
  async resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
    const key = `${type} ${name.toLowerCase()}`;
    const answer = this.#cache.get(key) ?? (await (this.#inFlight.get(key) ?? this.#start(key, name, type)));
    // The key holds the type, so what is kept under it is of this type.
    return answer as DnsAnswer<DnsRecords[T]>;
  }

  /** Forgets all answers. */
  flush(): void {
    this.#cache.clear();
  }

  /** Questions on their way or waiting end as `temporary`, and so does every later one. */
  close(): void {
    this.#closed = true;
    for (const abort of [...this.#aborts]) abort();
  }

  #start(key: string, name: string, type: DnsType): Promise<AnyAnswer> {
    const asking = this.#ask(name, type)
      .then((answer) => {
        if (!this.#closed) this.#cache.set(key, answer);
        return answer;
      })
      .finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, asking);
    return asking;
  }

  async #ask(name: string, type: DnsType): Promise<AnyAnswer> {
    if (this.#open >= MAX_OPEN) {
      if (this.#waiting.length >= MAX_WAITING) return temporary('too many questions are waiting');
      await new Promise<void>((wake) => this.#waiting.push(wake));
    } else this.#open++;
    try {
      return await this.#askServers(name, type);
    } finally {
      // The place is handed on, or given back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#open--;
      else next();
    }
  }

  /** `cnames` were followed before. */
  async #askServers(name: string, type: DnsType, cnames = 0): Promise<AnyAnswer> {
    const { servers, attempts } = this.#options;
    const first = this.#preferred;
    const refused = new Set<number>();
    let last = 'no server was asked';
    for (let attempt = 0; attempt < attempts * servers.length; attempt++) {
      if (this.#closed) return temporary('resolver closed');
      const index = (first + attempt) % servers.length;
      const server = servers[index];
      // One that said that it cannot tell is not asked twice.
      if (server === undefined || refused.has(index)) continue;
      const answer = await this.#askServer(server, name, type);
      if (answer.kind !== 'temporary') {
        this.#preferred = index;
        return answer.kind === 'alias' ? this.#follow(answer, type, cnames + answer.cnames) : answer;
      }
      if (answer.final) refused.add(index);
      last = `${answer.reason} (${server.address})`;
    }
    return temporary(last);
  }

  /** A server that follows no CNAME out of its own zones leaves the rest of the way to us. */
  async #follow({ target, ttl, authenticated }: Alias, type: DnsType, cnames: number): Promise<AnyAnswer> {
    if (cnames > MAX_CNAMES) return temporary(BAD_CHAIN);
    const answer = await this.#askServers(target, type, cnames);
    if (answer.kind === 'temporary') return answer;
    const known = { ttl: Math.min(ttl, answer.ttl), authenticated: authenticated && answer.authenticated };
    return answer.kind === 'found' ? { ...answer, ...known, name: answer.name ?? target } : { ...answer, ...known };
  }

  async #askServer(server: DnsServer, name: string, type: DnsType): Promise<Answered | Unanswered> {
    const id = randomInt(0x10000);
    const query = encodeQuery({ id, name, type, recursionDesired: true, dnssecOk: false, udpSize: UDP_SIZE });
    // What cannot be put into a query cannot be in the DNS.
    if (!query.ok) return { kind: 'noName', ttl: MAX_NEGATIVE_TTL, authenticated: false };
    const { timeoutMs, timers } = this.#options;
    const accept = acceptFor(id, name, type);
    const exchange: Exchange = { server, query: query.value, accept, timeoutMs, timers, aborts: this.#aborts };
    const byUdp = await askByUdp(exchange);
    const exchanged = byUdp.kind === 'reply' && byUdp.reply.truncated ? await askByTcp(exchange) : byUdp;
    if (exchanged.kind === 'failed') return { kind: 'temporary', reason: exchanged.reason, final: false };
    const answer = answerOf(exchanged.reply, name, type, isTrusted(server, this.#options.trustAd));
    return answer.kind === 'temporary' ? answer : { ...answer, ttl: Math.min(answer.ttl, this.#maxTtl) };
  }
}

function isTrusted({ address }: DnsServer, trustAd: StubResolverOptions['trustAd']): boolean {
  return trustAd === 'always' || (trustAd === 'loopback' && isLoopback(address));
}

type Answered = Exclude<AnyAnswer, { kind: 'temporary' }> | Alias;

/** The name is another name, of which the server said nothing. */
interface Alias {
  readonly kind: 'alias';
  readonly target: string;
  readonly cnames: number;
  readonly ttl: number;
  readonly authenticated: boolean;
}

/** No answer from this server. `final`: it would say the same if it were asked again. */
interface Unanswered {
  readonly kind: 'temporary';
  readonly reason: string;
  readonly final: boolean;
}

/** Takes what answers this question; an answer to another one may be forged, and the true one still on its way. */
function acceptFor(id: number, name: string, type: DnsType): Accept {
  const asked = name.toLowerCase();
  return (octets): Exchanged | 'ignore' => {
    if (octets.length < 2 || octets.readUInt16BE(0) !== id) return 'ignore';
    const decoded = decodeAnswer(octets);
    if (!decoded.ok) return { kind: 'failed', reason: `malformed answer: ${decoded.reason}` };
    const { question } = decoded.value;
    const isOurs = question === undefined || (question.name === asked && question.type === typeNumber(type));
    return isOurs ? { kind: 'reply', reply: decoded.value } : 'ignore';
  };
}

function answerOf(reply: DnsReply, name: string, type: DnsType, trusted: boolean): Answered | Unanswered {
  const authenticated = trusted && reply.authenticated;
  if (reply.truncated) return { kind: 'temporary', reason: 'answer is truncated by TCP too', final: true };
  if (reply.rcode !== RCODE.noError && reply.rcode !== RCODE.nxDomain)
    return { kind: 'temporary', reason: rcodeName(reply.rcode), final: true };
  if (reply.rcode === RCODE.nxDomain) return { kind: 'noName', ttl: negativeTtl(reply), authenticated };
  const found = recordsFor(reply, name, type);
  switch (found.kind) {
    case 'records': {
      const answer = { kind: 'found', records: found.records, ttl: found.ttl, authenticated } as const;
      return found.owner === name.toLowerCase() ? answer : { ...answer, name: found.owner };
    }
    case 'none':
      // An SOA says that the server knows of nothing at the end of the chain; without one it did not look.
      if (found.cnames === 0 || reply.soa !== undefined)
        return { kind: 'noData', ttl: negativeTtl(reply), authenticated };
      return { kind: 'alias', target: found.owner, cnames: found.cnames, ttl: found.ttl, authenticated };
    case 'badChain':
      return { kind: 'temporary', reason: BAD_CHAIN, final: true };
  }
}

function negativeTtl({ soa }: DnsReply): number {
  if (soa === undefined) return UNSIGNED_NEGATIVE_TTL;
  return Math.min(soa.ttl, soa.data.minimum, MAX_NEGATIVE_TTL);
}

function temporary(reason: string): AnyAnswer {
  return { kind: 'temporary', reason };
}
