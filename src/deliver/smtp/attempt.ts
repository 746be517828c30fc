/**
 * One attempt by SMTP or LMTP: an open connection that fits, or a new one; the message fitted to the server;
 * an outcome for each recipient.
 *
 * A reused connection that turns out to be gone before the server took notice of the message is replaced
 * without a word: the server's idle timeout is not the message's fault. A server that cannot take the message
 * (SMTPUTF8, 8-bit content that must not be converted) is left for the next host; when none is left, the message fails.
 */

import { assertNever } from '../../lib/assert-never.ts';
import { type Outcome, type Undelivered } from '../../mail/outcome.ts';
import { type LmtpRoute, type MxRoute, type RelayRoute, type Route, type SmarthostRoute } from '../../mail/route.ts';
import { type TlsSession } from '../../mail/tls-result.ts';
import { type AttemptReport, type Dispatch } from '../../queue/dispatch.ts';
import { type SenderTls } from '../../tlspolicy/decide.ts';
import { type OutgoingContent } from '../content.ts';
import { type AgentOptions } from '../options.ts';
import { ourOutcome, reportOf, sameForAll } from '../report.ts';
import { type SmtpConnection } from './connection.ts';
import { type Destination, Dialer } from './dial.ts';
import { type ContentFacts, contentFacts, prepare, type Prepared } from './prepare.ts';
import { asksForMore, satisfies } from './proof.ts';
import { decisionFor, senderTls, sessionOf } from './session-policy.ts';

export interface Attempted {
  readonly report: AttemptReport;
  /** Open, and to be kept for the next dispatch on the slot. */
  readonly connection: SmtpConnection | undefined;
}

type DialledRoute = Extract<Route, { kind: 'mx' | 'smarthost' | 'lmtp' | 'relay' }>;

/** What a destination depends on besides its route. */
type Mail = Pick<Dispatch, 'hosts' | 'sts' | 'secure' | 'sender' | 'recipients'>;

const SMTP = { protocol: 'smtp', socket: undefined, implicitTls: false, credentials: undefined } as const;

export function destinationOf(route: DialledRoute, mail: Mail | undefined): Destination {
  const sender = mail === undefined ? 'usual' : senderTls(mail.sender);
  switch (route.kind) {
    case 'mx':
      return mxDestination(route, mail, sender);
    case 'relay':
      return nextHop(route, sender);
    case 'smarthost':
      return { ...nextHop(route, sender), implicitTls: route.implicitTls, credentials: route.auth };
    case 'lmtp':
      return mailboxServer(route);
    default:
      return assertNever(route);
  }
}

function mxDestination({ port, tls, tlsOptions }: MxRoute, mail: Mail | undefined, sender: SenderTls): Destination {
  const domain = mail?.recipients[0]?.forwardPath.domain ?? '';
  const wanted = { level: tls, domain, secure: mail?.secure === true, sts: mail?.sts, sender };
  return { ...SMTP, hosts: mail?.hosts ?? [], port, tls: wanted, tlsOptions };
}

/** RFC 7672 §2.2.3: a host that the configuration names needs nobody to vouch for its name. */
function nextHop({ host, port, tls, tlsOptions }: RelayRoute | SmarthostRoute, sender: SenderTls): Destination {
  const wanted = { level: tls, domain: host, secure: true, sts: undefined, sender };
  return { ...SMTP, hosts: [{ name: host, preference: 0 }], port, tls: wanted, tlsOptions };
}

function mailboxServer({ to }: LmtpRoute): Destination {
  const base = { ...SMTP, protocol: 'lmtp', tls: NO_TLS } as const;
  if ('socket' in to) return { ...base, hosts: [], socket: to.socket, port: 0 };
  return { ...base, hosts: [{ name: to.host, preference: 0 }], port: to.port };
}

/** A mailbox server is part of this system. */
const NO_TLS = { level: 'none', domain: '', secure: false, sts: undefined, sender: 'usual' } as const;

export class SmtpAttempt {
  readonly #dispatch: Dispatch;
  readonly #content: OutgoingContent;
  readonly #destination: Destination;
  readonly #options: AgentOptions;
  readonly #dialer: Dialer;
  #facts: ContentFacts | undefined;
  #reused = false;
  #connectTime = 0;
  #transmitTime = 0;
  /** Why servers that were reached could not take the message. */
  #unfit: Undelivered | undefined;
  #current: SmtpConnection | undefined;
  #aborted = false;

  constructor(dispatch: Dispatch, content: OutgoingContent, destination: Destination, options: AgentOptions) {
    this.#dispatch = dispatch;
    this.#content = content;
    this.#destination = destination;
    this.#options = options;
    this.#dialer = new Dialer(destination, options);
  }

  /** `held`: the slot's open connection. It is closed when it does not fit. */
  async run(held: SmtpConnection | undefined): Promise<Attempted> {
    try {
      const fitting = this.#fitting(held);
      if (fitting !== undefined) {
        this.#reused = true;
        const attempted = await this.#deliver(fitting);
        if (attempted !== undefined) return attempted;
        this.#reused = false;
      }
      return await this.#dial();
    } finally {
      await this.#dialer.close();
    }
  }

  /** This server is going down: what is not done is not waited for. */
  abort(): void {
    this.#aborted = true;
    this.#current?.destroy(SHUTDOWN);
  }

  #fitting(held: SmtpConnection | undefined): SmtpConnection | undefined {
    if (held === undefined) return undefined;
    const { hosts, socket } = this.#destination;
    const names = socket === undefined ? hosts.map(({ name }) => name) : [socket];
    const fits = satisfies(held.proof, { ...this.#destination, hosts: names }) && !this.#isStripped(held);
    if (held.usable && fits) return held;
    held.end();
    return undefined;
  }

  /** Opened in clear for mail that allows that, where the operator lets no other go in clear (`deliver.tls.downgrade`). */
  #isStripped({ proof: { host, tls } }: SmtpConnection): boolean {
    const { tlsMemory } = this.#options;
    const { sender, level } = this.#destination.tls;
    if (tls !== undefined || level === 'none' || sender === 'optional') return false;
    return tlsMemory?.withoutTls === 'defer' && tlsMemory.knows(host);
  }

  async #dial(): Promise<Attempted> {
    while (!this.#aborted) {
      const before = this.#options.clock.monotonic();
      const dialed = await this.#dialer.next();
      this.#connectTime += this.#options.clock.monotonic() - before;
      if (dialed.kind === 'failed') return this.#failed(this.#lastWord(dialed.outcome));
      const attempted = await this.#deliver(dialed.connection);
      if (attempted !== undefined) return attempted;
    }
    return this.#failed(ourOutcome('4.3.2', SHUTDOWN));
  }

  /** That the message fits nowhere is known only when every host has been asked. */
  #lastWord(failure: Undelivered): Undelivered {
    return this.#unfit === undefined || this.#dialer.someUnknown ? failure : this.#unfit;
  }

  /** Undefined: go on with another connection. */
  async #deliver(connection: SmtpConnection): Promise<Attempted | undefined> {
    this.#current = connection;
    if (this.#aborted) connection.destroy(SHUTDOWN);
    const offered = this.#destination.tls.sender !== 'required' || connection.offers.requireTls;
    if (!offered) return this.#unfitHere(connection, NO_REQUIRETLS);
    const prepared = await this.#prepare(connection);
    if (prepared === undefined) return this.#done(connection, sameForAll(this.#dispatch, UNREADABLE));
    if (prepared.kind === 'unfit') return this.#unfitHere(connection, prepared.outcome);
    if (!connection.usable) return this.#reused ? undefined : this.#goneEarly(connection);
    const before = this.#options.clock.monotonic();
    const result = await connection.deliver(prepared.message, prepared.content);
    this.#transmitTime = this.#options.clock.monotonic() - before;
    if (this.#reused && result.untouched && connection.closed && allDeferred(result.outcomes)) return undefined;
    const outcomes = this.#dispatch.recipients.map((_, place) => {
      return prepared.refused.get(place) ?? result.outcomes[prepared.places.indexOf(place)] ?? MISSING;
    });
    return this.#done(connection, outcomes);
  }

  /** Undefined: the content cannot be read. Then the message waits, and the connection is as good as before. */
  async #prepare(connection: SmtpConnection): Promise<Prepared | undefined> {
    const { sender, recipients, message } = this.#dispatch;
    try {
      this.#facts ??= await contentFacts(this.#content, this.#dispatch.sevenBit === true ? 'sevenBit' : 'unknown');
      const now = this.#options.clock.now();
      const { protocol } = this.#destination;
      const outgoing = { sender, recipients, content: this.#content, facts: this.#facts, now, protocol };
      return await prepare(outgoing, connection.offers, this.#options.convertSigned);
    } catch (error) {
      // A file that is gone or cut short, a disk that fails: an operator must look, the message loses nothing.
      this.#options.log.error('content cannot be read', { message, error: String(error) });
      return undefined;
    }
  }

  #unfitHere(connection: SmtpConnection, outcome: Undelivered): undefined {
    this.#unfit = { ...outcome, remoteMta: connection.proof.host };
    this.#dialer.skipHost(connection.proof.host);
    connection.end();
  }

  /** Lost between its opening and the message: no server has heard of it. */
  #goneEarly(connection: SmtpConnection): Attempted {
    const outcome = ourOutcome('4.4.2', 'the server closed the connection', { scope: 'host', cause: 'connection' });
    return this.#done(connection, sameForAll(this.#dispatch, outcome));
  }

  #done(connection: SmtpConnection, outcomes: readonly Outcome[]): Attempted {
    const { proof, usable } = connection;
    if (!usable) connection.end();
    const report = this.#report(outcomes, {
      connection: usable ? 'open' : 'closed',
      host: proof.host,
      address: proof.address,
      tls: proof.tls?.name,
      tlsSession: this.#reused ? this.#sessionOn(connection) : connection.session,
    });
    return { report, connection: usable ? connection : undefined };
  }

  /** What this message demanded of a connection that was opened for another. */
  #sessionOn({ proof, session }: SmtpConnection): TlsSession | undefined {
    const { tls } = this.#destination;
    if (session === undefined || (!asksForMore(tls) && session.policy === 'opportunistic')) return session;
    const decision = decisionFor(proof.host, tls.secure ? proof.dane : undefined, tls);
    if (decision.kind === 'skip' || decision.reason === session.reason) return session;
    return sessionOf(decision, { host: proof.host, address: proof.address }, proof.tls);
  }

  #failed(outcome: Undelivered): Attempted {
    const { last, sessions } = this.#dialer;
    const report = this.#report(sameForAll(this.#dispatch, outcome), { ...last, tlsSession: sessions.at(-1) });
    return { report, connection: undefined };
  }

  #report(outcomes: readonly Outcome[], more: Partial<AttemptReport>): AttemptReport {
    return reportOf(this.#dispatch, outcomes, {
      reused: this.#reused,
      refused: this.#dialer.refused,
      connectTime: this.#connectTime,
      transmitTime: this.#transmitTime,
      ...(this.#dialer.sessions.length === 0 ? {} : { tlsSessions: this.#dialer.sessions }),
      ...more,
    });
  }
}

const SHUTDOWN = 'this server is shutting down';
const UNREADABLE = ourOutcome('4.3.0', 'the content cannot be read');
const NO_REQUIRETLS = ourOutcome('5.7.30', 'the message asks for REQUIRETLS, which the server does not offer', {
  cause: 'tls',
});
const MISSING = ourOutcome('4.3.0', 'the attempt ended without an outcome');

function allDeferred(outcomes: readonly Outcome[]): boolean {
  return outcomes.every(({ kind }) => kind === 'deferred');
}
