/**
 * Finds a server that will talk to us: hosts in order, for each its addresses (RFC 5321 §5.1), until a session
 * opens, or the limits of one attempt are reached.
 *
 * A host that refuses us is passed over for the next, whether it says so by 4xx or by 5xx: only when every
 * host there is has answered with 5xx at its greeting or hello is the answer taken for the site's, and final
 * (RFC 5321 §3.1, RFC 7504). Anything else that ends in no session is temporary.
 *
 * What is found out about the hosts is remembered while the attempt lasts, so that a message the first server
 * cannot take goes on to the next.
 */

import { type Undelivered } from '../../mail/outcome.ts';
import { type TlsLevel } from '../../mail/route.ts';
import { type Host } from '../../queue/dispatch.ts';
import { type Credentials } from '../../wire/smtp/client-login.ts';
import { type Refusal } from '../../wire/smtp/client.ts';
import { type AgentOptions } from '../options.ts';
import { type SmtpConnection, type Target, openConnection } from './connection.ts';
import { addressesOf } from './addresses.ts';
import { hostsInOrder } from './mx.ts';

export interface Destination {
  readonly protocol: 'smtp' | 'lmtp';
  /** Empty with a `socket`. */
  readonly hosts: readonly Host[];
  /** Path of a local socket. */
  readonly socket: string | undefined;
  readonly port: number;
  readonly tls: TlsLevel;
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
    const { maxAddresses, maxGreetings } = this.#options;
    this.#dialled += 1;
    this.last = { host: target.host, address: target.local === 'tcp' ? target.address : '' };
    let opened = await openConnection(target, this.#options);
    if (opened.kind === 'refused' && opened.handshakeFailed && target.tls === 'opportunistic')
      opened = await openConnection({ ...target, tls: 'none' }, this.#options);
    if (opened.kind === 'open') return opened.connection;
    this.refused = true;
    this.#failures.push({ host: target.host, refusal: opened.refusal });
    if (opened.reached) this.#greetings += 1;
    // What one address of a host says of us, its others say too; a login is refused by all of them.
    if (opened.refusal.kind === 'permanent') this.#skipped.add(target.host);
    if (opened.refusal.stage === 'login') this.#stopped = 'the login failed';
    if (this.#dialled >= maxAddresses || this.#greetings >= maxGreetings)
      this.#stopped = 'the attempt has asked enough servers';
    return undefined;
  }

  async *#allTargets(): AsyncGenerator<Target, void, undefined> {
    const { protocol, port, tls, implicitTls, credentials, socket, hosts } = this.#destination;
    const rest = { protocol, port, tls, implicitTls, credentials };
    if (socket !== undefined) {
      yield { ...rest, host: socket, address: socket, local: 'unix' };
      return;
    }
    for (const { name } of hostsInOrder(hosts, this.#options.random)) {
      if (this.#skipped.has(name)) continue;
      for (const address of await this.#addresses(name)) {
        if (this.#skipped.has(name)) break;
        yield { ...rest, host: name, address, local: 'tcp' };
      }
    }
  }

  async #addresses(host: string): Promise<readonly string[]> {
    const found = await this.#lookUp(host);
    const allowed = found.filter((address) => !this.#options.prohibited(address, this.#destination.port));
    if (found.length > 0 && allowed.length === 0)
      this.#fail(host, '4.4.6', `${host} leads back to this server, or where it must not connect`, 'policy');
    return allowed;
  }

  async #lookUp(host: string): Promise<readonly string[]> {
    const answer = await addressesOf(host, this.#options.resolver, this.#options.family);
    if (answer.kind === 'addresses') return answer.addresses;
    const text = answer.kind === 'temporary' ? answer.reason : `${host} has no address`;
    this.#fail(host, answer.kind === 'temporary' ? '4.4.3' : '4.4.4', text, 'dns');
    return [];
  }

  #fail(host: string, status: Undelivered['status'], text: string, cause: 'policy' | 'dns'): void {
    const diagnostic = `postrider: ${text}`;
    const refusal: Refusal = { kind: 'transient', stage: 'greeting', status, diagnostic, cause };
    this.#failures.push({ host, refusal });
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
