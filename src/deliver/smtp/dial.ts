/**
 * Finds a server that will talk to us: hosts in order, for each its addresses (RFC 5321 §5.1), until a session
 * opens, or the limits of one attempt are reached.
 *
 * A host that refuses us is passed over for the next, whether it says so by 4xx or by 5xx: only when every
 * host there is has answered with 5xx at its greeting or hello is the answer taken for the site's, and final
 * (RFC 5321 §3.1, RFC 7504). Anything else that ends in no session is temporary.
 *
 * What is demanded of the encryption is decided for each host (`tlspolicy/decide.ts`): one that cannot have it is passed
 * over like one that refuses us. In clear a host is tried again only where nothing at all was demanded.
 *
 * What is found out about the hosts is remembered while the attempt lasts, so that a message the first server
 * cannot take goes on to the next.
 */

import { type Undelivered } from '../../mail/outcome.ts';
import { type RouteTls } from '../../mail/route.ts';
import { type TlsSession } from '../../mail/tls-result.ts';
import { type Host } from '../../queue/dispatch.ts';
import { type Credentials } from '../../wire/smtp/client-login.ts';
import { type Refusal } from '../../wire/smtp/client.ts';
import { type TlsDemand } from '../../tlspolicy/decide.ts';
import { type AgentOptions } from '../options.ts';
import { type Opened, type SmtpConnection, type Target, openConnection } from './connection.ts';
import { addressesOf, type HostAddresses } from './addresses.ts';
import { hostsInOrder } from './mx.ts';
import { decisionFor, sessionOf, type TlsWanted } from './session-policy.ts';
import { daneFacts } from './tlsa.ts';

export interface Destination {
  readonly protocol: 'smtp' | 'lmtp';
  /** Empty with a `socket`. */
  readonly hosts: readonly Host[];
  /** Path of a local socket. */
  readonly socket: string | undefined;
  readonly port: number;
  readonly tls: TlsWanted;
  readonly tlsOptions?: RouteTls | undefined;
  readonly implicitTls: boolean;
  readonly credentials: Credentials | undefined;
}

export type Dialed =
  | { readonly kind: 'open'; readonly connection: SmtpConnection }
  | { readonly kind: 'failed'; readonly outcome: Undelivered };

interface Failure {
  readonly host: string;
  readonly refusal: Refusal;
}

export class Dialer {
  readonly #destination: Destination;
  readonly #options: AgentOptions;
  readonly #targets: AsyncGenerator<Target, void, undefined>;
  readonly #failures: Failure[] = [];
  #dialled = 0;
  #greetings = 0;
  #stopped: string | undefined;
  readonly #skipped = new Set<string>();
  readonly #sessions: TlsSession[] = [];
  /** The last that was dialled. */
  last: { readonly host: string; readonly address: string } = { host: '', address: '' };
  /** A connection was tried and could not be had. */
  refused = false;

  constructor(destination: Destination, options: AgentOptions) {
    this.#destination = destination;
    this.#options = options;
    this.#targets = this.#allTargets();
  }

  /** The next server that opens a session with us. */
  async next(): Promise<Dialed> {
    for (;;) {
      const { value: target } = await this.#targets.next();
      if (target === undefined) return { kind: 'failed', outcome: this.#verdict() };
      const connection = await this.#open(target);
      if (connection !== undefined) return { kind: 'open', connection };
      if (this.#stopped !== undefined) return { kind: 'failed', outcome: this.#verdict() };
    }
  }

  /** How the sessions that were begun are encrypted, and what kept others from it. */
  get sessions(): readonly TlsSession[] {
    return this.#sessions;
  }

  /** The rest of this host's addresses lead to the same server: go on with the next host. */
  skipHost(host: string): void {
    this.#skipped.add(host);
  }

  /** A host could not be asked, or not now: it may have been the one that can take the message. */
  get someUnknown(): boolean {
    return this.#stopped !== undefined || this.#failures.some(({ refusal }) => refusal.kind === 'transient');
  }

  /** Ends the search. */
  async close(): Promise<void> {
    await this.#targets.return();
  }

  async #open(target: Target): Promise<SmtpConnection | undefined> {
    this.#dialled += 1;
    this.last = { host: target.host, address: target.local === 'tcp' ? target.address : '' };
    const opened = await this.#openWith(target);
    if (opened.kind === 'open') return opened.connection;
    const refusal = refusalUnder(target.demand, opened.refusal);
    this.refused = true;
    this.#failures.push({ host: target.host, refusal });
    if (opened.reached) this.#greetings += 1;
    // What one address of a host says of us, its others say too; a login is refused by all of them.
    if (refusal.kind === 'permanent') this.#skipped.add(target.host);
    if (refusal.stage === 'login') this.#stopped = 'the login failed';
    this.#stopIfEnough();
    return undefined;
  }

  #stopIfEnough(): void {
    const { maxAddresses, maxGreetings } = this.#options;
    if (this.#dialled >= maxAddresses || this.#greetings >= maxGreetings)
      this.#stopped ??= 'the attempt has asked enough servers';
  }

  /** Where encryption is welcome and not demanded, one that goes wrong is done without. */
  async #openWith(target: Target): Promise<Opened> {
    const opened = await openConnection(target, this.#options);
    this.#tell(target, opened);
    this.#remember(target, opened);
    if (opened.kind === 'open' || !opened.handshakeFailed || target.demand.level !== 'opportunistic') return opened;
    const inClear = await openConnection({ ...target, demand: { ...target.demand, level: 'none' } }, this.#options);
    if (inClear.kind === 'open') inClear.connection.session = this.#sessions.at(-1);
    return inClear;
  }

  #tell({ demand, host, address, local }: Target, opened: Opened): void {
    if (local === 'unix' || demand.level === 'none') return;
    const at = { host, address, sourceAddress: opened.sourceAddress };
    if (opened.kind === 'open') {
      opened.connection.session = sessionOf(demand, at, opened.connection.proof.tls);
      this.#sessions.push(opened.connection.session);
    } else if (opened.tlsResult !== undefined) this.#sessions.push(sessionOf(demand, at, opened.tlsResult));
  }

  /** What a host that offered encryption before does now: it is seen to, or the session is told as what it may be. */
  #remember({ host, demand }: Target, opened: Opened): void {
    const { tlsMemory } = this.#options;
    if (tlsMemory === undefined || demand.level === 'none') return;
    if (opened.kind === 'open' && opened.connection.proof.tls !== undefined) return tlsMemory.seen(host);
    const session = this.#sessions.at(-1);
    const isStripped = opened.kind === 'open' || opened.tlsResult !== undefined;
    if (!isStripped || session?.host !== host || !tlsMemory.knows(host)) return;
    const told = {
      ...session,
      downgraded: true,
      reason: `${host} offered encryption before: ${session.reason}`,
    } as const;
    this.#sessions[this.#sessions.length - 1] = told;
    if (opened.kind === 'open') opened.connection.session = told;
  }

  /** Where the operator wants it so, a host that offered encryption before gets nothing in clear. */
  #orDefer(host: string, demand: TlsDemand): TlsDemand {
    const { tlsMemory } = this.#options;
    const strict = tlsMemory?.withoutTls === 'defer' && this.#destination.tls.sender !== 'optional';
    if (!strict || demand.level !== 'opportunistic' || !tlsMemory.knows(host)) return demand;
    return { ...demand, policy: 'configured', level: 'encrypt', reason: `${host} offered encryption before` };
  }

  async *#allTargets(): AsyncGenerator<Target, void, undefined> {
    const { protocol, port, tls, tlsOptions, implicitTls, credentials, socket, hosts } = this.#destination;
    const rest = { protocol, port, tlsOptions, implicitTls, credentials };
    if (socket !== undefined) {
      const local = { ...rest, host: socket, address: socket, local: 'unix' } as const;
      yield { ...local, demand: IN_CLEAR, names: [], dane: undefined };
      return;
    }
    for (const { name } of hostsInOrder(hosts, this.#options.random)) {
      if (this.#stopped !== undefined) return;
      if (this.#skipped.has(name)) continue;
      const found = await this.#lookUp(name);
      const policy = found === undefined ? undefined : await this.#policy(name, found);
      if (found === undefined || policy === undefined) continue;
      for (const address of found.addresses) {
        if (this.#skipped.has(name)) break;
        yield { ...rest, ...policy, host: name, address, local: 'tcp', names: [name, tls.domain] };
      }
    }
  }

  /** Undefined: the host is passed over. */
  async #policy(host: string, found: Found): Promise<Pick<Target, 'demand' | 'dane'> | undefined> {
    const { tls, port } = this.#destination;
    const asks = tls.secure && tls.level !== 'none';
    const dane = asks ? await daneFacts({ host, port }, found, this.#options.resolver) : undefined;
    const decision = decisionFor(host, dane, tls);
    if (decision.kind === 'demand') return { demand: this.#orDefer(host, decision), dane };
    const { policy, policyType, result, status, reason } = decision;
    this.#sessions.push({ policy, policyType, host, address: '', result, reason });
    this.#fail(host, status, reason, 'tls');
    return undefined;
  }

  async #lookUp(host: string): Promise<Found | undefined> {
    const answer = await addressesOf(host, this.#options.resolver, this.#options.family);
    if (answer.kind !== 'addresses') {
      const text = answer.kind === 'temporary' ? answer.reason : `${host} has no address`;
      this.#fail(host, answer.kind === 'temporary' ? '4.4.3' : '4.4.4', text, 'dns');
      // A name server that is silent takes as long as a host that is.
      if (answer.kind === 'temporary') {
        this.#dialled += 1;
        this.#stopIfEnough();
      }
      return undefined;
    }
    const addresses = answer.addresses.filter((each) => !this.#options.prohibited(each, this.#destination.port));
    if (addresses.length > 0) return { ...answer, addresses };
    this.#fail(host, '4.4.6', `${host} leads back to this server, or where it must not connect`, 'policy');
    return undefined;
  }

  #fail(host: string, status: Undelivered['status'], text: string, cause: 'policy' | 'dns' | 'tls'): void {
    const kind = status.startsWith('5') ? 'permanent' : 'transient';
    const stage = cause === 'tls' ? 'tls' : 'greeting';
    this.#failures.push({ host, refusal: { kind, stage, status, diagnostic: `postrider: ${text}`, cause } });
  }

  #verdict(): Undelivered {
    const last = this.#failures.at(-1);
    if (last === undefined) return this.#siteOutcome('4.4.4', 'postrider: there is no host to send to', 'dns', '');
    const hosts = new Set(this.#destination.hosts.map(({ name }) => name));
    const everyHostSaysNo =
      this.#failures.every(({ refusal }) => refusal.kind === 'permanent') && this.#failures.length >= hosts.size;
    // A server's own words tell more than that the next one was not there.
    const told = this.#failures.findLast(({ refusal }) => refusal.cause === 'reply') ?? last;
    const { status, diagnostic, cause } = told.refusal;
    const outcome = this.#siteOutcome(
      status,
      diagnostic,
      cause,
      cause === 'connection' || cause === 'dns' ? '' : told.host,
    );
    if (everyHostSaysNo) return { ...outcome, kind: 'failed' };
    return told.refusal.kind === 'permanent' ? { ...outcome, status: '4.3.2' } : outcome;
  }

  #siteOutcome(
    status: Undelivered['status'],
    diagnostic: string,
    cause: Undelivered['cause'],
    remoteMta: string,
  ): Undelivered {
    return { kind: 'deferred', status, scope: 'site', diagnostic, remoteMta, cause };
  }
}

type Found = Omit<Extract<HostAddresses, { kind: 'addresses' }>, 'addresses'> & {
  readonly addresses: readonly string[];
};

const IN_CLEAR: TlsDemand = {
  ...{ kind: 'demand', policy: 'configured', policyType: 'no-policy-found', level: 'none', reason: 'a local socket' },
  ...{ records: [], serverName: '', sts: 'none', requireTls: false },
};

/** Which policy asked for what was refused; and what REQUIRETLS cannot have is not waited for (RFC 8689 §4.2.1). */
function refusalUnder({ policy, requireTls, reason }: TlsDemand, refusal: Refusal): Refusal {
  if (refusal.cause !== 'tls' || policy === 'opportunistic') return refusal;
  const diagnostic = `${refusal.diagnostic} (${reason})`;
  return requireTls ? { ...refusal, diagnostic, kind: 'permanent', status: '5.7.10' } : { ...refusal, diagnostic };
}
