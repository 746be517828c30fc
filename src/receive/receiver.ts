/**
 * Decides for one session: who may send what to whom, and what becomes of a transaction.
 *
 * No protocol is here (that is `wire/smtp/server.ts`) and no socket (`smtp-session.ts`): only the answers
 * to the session's questions. A transaction keeps the settings it began with.
 */

import { maildirParts } from '../mail/maildir-path.ts';
import { type EntryRecipient } from '../mail/entry.ts';
import { type Recipient, type SenderParameters } from '../mail/envelope.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';
import { type EnhancedStatus, type Reply, reply, replyText, temporary } from '../mail/reply.ts';
import { type FailRoute, type RelayRoute, type Route } from '../mail/route.ts';
import { type RejectedEvent } from '../events/event.ts';
import { RELAYING_DENIED, relayVerdict } from '../policy/relay.ts';
import { acceptSink } from './accept.ts';
import { type ClientUsers } from './client-users.ts';
import { obstacleOf, PeerLogins } from './session-logins.ts';
import { type MailRequest } from '../wire/smtp/parameters.ts';
import { type IntakeState, type ReceiveDeps, type ReceiveSettings, type RelayTransaction } from './ports.ts';
import { relaySink } from './relay-sink.ts';
import { requestedTimes, type SendingTimes } from './sending-times.ts';
import { submissionRules, unqualifiedPath } from './submission.ts';
import { type Answer, type ContentSink, type Peer, type Receiver, type SessionLogins } from './transaction.ts';

/** A transaction that is passed through, and those that the next hop has accepted. */
export interface Relaying {
  readonly route: RelayRoute;
  readonly next: RelayTransaction;
  readonly recipients: Mailbox[];
}

/** A mail transaction as far as it has come (RFC 5321 §3.3). */
export interface Transaction {
  readonly settings: ReceiveSettings;
  readonly peer: Peer;
  /** Its option header fields are obeyed. */
  readonly trusted: boolean;
  readonly sender: SenderParameters;
  readonly request: MailRequest;
  /** What `request` comes to. */
  readonly times: SendingTimes;
  readonly startedAt: number;
  /** Recipients as they will be delivered to: aliases expanded. */
  readonly recipients: EntryRecipient[];
  /** RCPT commands that were accepted: LMTP owes each of them a reply. */
  accepted: number;
  relay: Relaying | undefined;
  /** Of the next hop, or about it, when it could not be had: it is asked once in a transaction. */
  relayRefusal: Reply | undefined;
  /** All of `recipients`, so that each is there once. */
  readonly known: Set<string>;
}

const OK = reply(250, '2.0.0', 'OK');
const SENDER_OK = reply(250, '2.1.0', 'Sender OK');
// RFC 6710 §4.1, and its own enhanced code.
const PRIORITY_LEFT_OUT = reply(250, '2.3.6', 'Sender OK, but its priority is not heeded');
const HOLD_REFUSED = reply(550, '5.7.1', 'Only for those who have logged in: HOLDFOR and HOLDUNTIL');
const LOGIN_OVER = reply(530, '5.7.0', 'Your login does not hold any more: connect anew, and log in');
const RECIPIENT_OK = reply(250, '2.1.5', 'Recipient OK');
const NO_SUCH_USER = reply(550, '5.1.1', 'No such mailbox here');
const NO_ROUTE = reply(550, '5.4.4', 'No route to this recipient is configured');
const NULL_MX_SENDER = reply(550, '5.7.27', 'The sender domain says that it sends no mail (null MX)');
const OTHER_NEXT_HOP = reply(452, '4.5.3', 'This recipient goes another way, send it in a transaction of its own');
const NO_NEXT_HOP = reply(451, '4.4.1', 'The next hop cannot be reached, try again later');
const TOO_MANY_TARGETS = reply(452, '4.5.3', 'Too many recipients after alias expansion');

const INTAKE_REFUSALS: Readonly<Record<Exclude<IntakeState, 'open'>, Reply>> = {
  paused: reply(451, '4.3.2', 'Not taking mail at the moment, try again later'),
  full: reply(452, '4.3.1', 'Insufficient storage, try again later'),
  draining: reply(421, '4.3.2', 'Shutting down, try again later'),
};

export class SessionReceiver implements Receiver {
  readonly #deps: ReceiveDeps;
  #peer: Peer | undefined;
  #transaction: Transaction | undefined;

  readonly logins: SessionLogins | undefined;

  constructor(deps: ReceiveDeps) {
    this.#deps = deps;
    const refused = (peer: Peer, user: string | undefined, why: Reply): void => this.#loginRefused(peer, user, why);
    const clientUsers = (): ClientUsers | undefined => deps.settings().clientUsers;
    this.logins = deps.logins && new PeerLogins(deps.logins, { refused, clientUsers });
  }

  connect(peer: Peer): Answer<Reply | undefined> {
    this.#peer = peer;
    return undefined;
  }

  hello(peer: Peer): Answer<Reply> {
    this.#peer = peer;
    this.reset();
    return OK;
  }

  sender(peer: Peer, sender: SenderParameters, request: MailRequest): Answer<Reply> {
    const { logins } = this.#deps;
    if (peer.identity === undefined || logins === undefined) return this.#senderOf(peer, sender, request);
    return logins.current(peer.identity.user).then((known) => {
      this.#peer = peer;
      if (known.kind === 'refused') return this.#rejected('sender', LOGIN_OVER, { sender });
      // What cannot be looked up now was proved at the login.
      const now = known.kind === 'identity' ? { ...peer, identity: known.identity } : peer;
      return this.#senderOf(now, sender, request);
    });
  }

  #senderOf(peer: Peer, sender: SenderParameters, request: MailRequest): Answer<Reply> {
    this.#peer = peer;
    const settings = this.#deps.settings();
    const intake = this.#deps.intake();
    if (intake !== 'open') return this.#rejected('sender', INTAKE_REFUSALS[intake], { sender });
    const obstacle =
      (peer.identity && obstacleOf(peer.identity, sender.reversePath, request.declaredOctets)) ??
      unqualifiedPath({ settings, peer }, sender.reversePath, '5.1.7');
    if (obstacle !== undefined) return this.#rejected('sender', obstacle, { sender });
    const times = this.#timesOf(peer, request, settings);
    if ('code' in times) return this.#rejected('sender', times, { sender });
    const begin = (): Reply => this.#begin({ settings, sender, request, times });
    const domain = sender.reversePath?.domain;
    if (domain === undefined || domain === '' || domain.startsWith('[') || !settings.refuseNullMxSenders)
      return begin();
    return this.#deps
      .hasNullMx(domain)
      .then((nullMx) => (nullMx === 'yes' ? this.#rejected('sender', NULL_MX_SENDER, { sender }) : begin()));
  }

  recipient(recipient: Recipient): Answer<Reply> {
    const transaction = this.#open();
    const { settings, peer } = transaction;
    const verdict = relayVerdict(settings.relay, recipient.forwardPath, peer);
    const obstacle =
      verdict === 'refused' ? RELAYING_DENIED : unqualifiedPath(transaction, recipient.forwardPath, '5.1.3');
    if (obstacle !== undefined) return this.#rejected('recipient', obstacle, { recipient });
    const targets = settings.aliases.expand(recipient.forwardPath);
    if (targets.some((target) => !exists(settings, target)))
      return this.#rejected('recipient', NO_SUCH_USER, { recipient });
    const routes = targets.map((target) => this.#routeOf(transaction, target));
    const refusal = refusalOf(targets, routes);
    if (refusal !== undefined) return this.#rejected('recipient', refusal, { recipient });
    const [target] = targets;
    const [route] = routes;
    // What an alias makes several of cannot pass through as one: it is kept, and delivered by the same routes.
    // Nor can a submission, to which something is done, nor what has a time of its own.
    const submitted = submissionRules(transaction) !== undefined;
    const passes = targets.length === 1 && !submitted && transaction.times.deliverBy === undefined;
    if (target !== undefined && passes && route?.kind === 'relay')
      return this.#passOn(transaction, { ...recipient, forwardPath: target }, route);
    if (transaction.relay !== undefined) return OTHER_NEXT_HOP;
    return this.#take(transaction, recipient, targets);
  }

  content(): Answer<ContentSink | Reply> {
    const transaction = this.#open();
    this.#transaction = undefined;
    const refuse = (why: Reply): Reply => this.#rejected('content', why, { sender: transaction.sender });
    if (transaction.relay !== undefined) return relaySink(this.#deps, transaction, transaction.relay, refuse);
    return acceptSink(this.#deps, transaction, refuse);
  }

  reset(): void {
    this.#transaction?.relay?.next.abort();
    this.#transaction = undefined;
  }

  close(): void {
    this.reset();
  }

  #timesOf(peer: Peer, request: MailRequest, { longestHold }: ReceiveSettings): SendingTimes | Reply {
    if (request.hold !== undefined && peer.identity === undefined) return HOLD_REFUSED;
    return requestedTimes(request, { now: this.#deps.clock.now(), longestHold });
  }

  #begin({ settings, sender, request, times }: Begun): Reply {
    const peer = this.#present();
    const trusted = peer.identity !== undefined || settings.optionsFrom(peer.address);
    const { priority, ...others } = sender;
    this.#transaction = {
      settings,
      peer,
      trusted,
      sender: trusted || priority === undefined ? sender : others,
      request,
      times,
      startedAt: this.#deps.clock.now(),
      recipients: [],
      accepted: 0,
      relay: undefined,
      relayRefusal: undefined,
      known: new Set(),
    };
    return trusted || priority === undefined ? SENDER_OK : PRIORITY_LEFT_OUT;
  }

  #routeOf({ sender, peer }: Transaction, target: Mailbox): Route | undefined {
    return this.#deps.routeOf(target, {
      sender: sender.reversePath,
      tenant: peer.identity?.tenant ?? '',
      clientAddress: peer.address,
    });
  }

  #take(transaction: Transaction, recipient: Recipient, targets: readonly Mailbox[]): Reply {
    const { recipients, known, settings, peer } = transaction;
    const most = peer.identity?.limits.recipientsPerMessage;
    if (most !== undefined && transaction.accepted >= most)
      return this.#rejected('recipient', tooManyOfTheirs(most), { recipient });
    if (recipients.length + targets.length > settings.maxTargets) return TOO_MANY_TARGETS;
    for (const target of targets) {
      const key = formatMailbox(target);
      if (known.has(key)) continue;
      known.add(key);
      recipients.push({ ...recipient, forwardPath: target, index: recipients.length });
    }
    transaction.accepted += 1;
    return RECIPIENT_OK;
  }

  /** Stateless relay: the next hop's own reply to this recipient is ours. */
  async #passOn(transaction: Transaction, recipient: Recipient, route: RelayRoute): Promise<Reply> {
    if (transaction.recipients.length > 0) return OTHER_NEXT_HOP;
    if (transaction.relay !== undefined && transaction.relay.route.name !== route.name) return OTHER_NEXT_HOP;
    if (transaction.relayRefusal === undefined) transaction.relay ??= await this.#openRelay(transaction, route);
    if (transaction.relay === undefined)
      return this.#rejected('recipient', transaction.relayRefusal ?? NO_NEXT_HOP, { recipient });
    const answer = await transaction.relay.next.recipient(recipient);
    if (answer.code >= 300) return this.#rejected('recipient', answer, { recipient });
    transaction.relay.recipients.push(recipient.forwardPath);
    transaction.accepted += 1;
    return answer;
  }

  async #openRelay(transaction: Transaction, route: RelayRoute): Promise<Relaying | undefined> {
    const next = await this.#deps.openRelay(route);
    if ('code' in next) {
      transaction.relayRefusal = next;
      return undefined;
    }
    const answer = await next.sender(transaction.sender, transaction.request.declaredOctets);
    // The session may have ended, or been reset, while the next hop was dialled.
    if (answer.code < 300 && this.#transaction === transaction) return { route, next, recipients: [] };
    if (answer.code >= 400) transaction.relayRefusal = answer;
    next.abort();
    return undefined;
  }

  #open(): Transaction {
    if (this.#transaction === undefined) throw new Error('a question about a transaction that is not open');
    return this.#transaction;
  }

  #present(): Peer {
    if (this.#peer === undefined) throw new Error('a question before the connection was announced');
    return this.#peer;
  }

  /** What is told and answered: a temporary refusal while that is what the operator wants of all. */
  #rejected(stage: RejectedEvent['stage'], why: Reply, about: About): Reply {
    const refusal = this.#deps.settings().softBounce ? temporary(why) : why;
    const peer = this.#present();
    const sender = about.sender ?? this.#transaction?.sender;
    this.#deps.tell({
      kind: 'rejected',
      at: this.#deps.clock.now(),
      stage,
      clientAddress: peer.address,
      clientName: peer.helloName,
      listener: peer.listener,
      user: peer.identity?.user,
      sender: sender === undefined ? undefined : addressText(sender.reversePath),
      recipient: about.recipient === undefined ? undefined : formatMailbox(about.recipient.forwardPath),
      reply: replyText(refusal),
    });
    return refusal;
  }

  #loginRefused(peer: Peer, user: string | undefined, why: Reply): void {
    this.#deps.tell({
      ...{ kind: 'rejected', at: this.#deps.clock.now(), stage: 'login', clientAddress: peer.address },
      ...{ clientName: peer.helloName, listener: peer.listener, user, sender: undefined, recipient: undefined },
      reply: replyText(why),
    });
  }
}

function tooManyOfTheirs(most: number): Reply {
  return reply(452, '4.5.3', `More than your ${most} recipients in a message (recipientsPerMessage)`);
}

type Begun = Pick<Transaction, 'settings' | 'sender' | 'request' | 'times'>;

interface About {
  readonly sender?: SenderParameters;
  readonly recipient?: Recipient;
}

function addressText(path: Mailbox | null): string {
  return path === null ? '' : formatMailbox(path);
}

function exists({ aliases, mailboxExists }: ReceiveSettings, target: Mailbox): boolean {
  return !aliases.isLocal(target) || mailboxExists(target);
}

/** What to answer when a target has no route, a route that refuses, or a name that no mailbox can have. */
function refusalOf(targets: readonly Mailbox[], routes: readonly (Route | undefined)[]): Reply | undefined {
  if (routes.includes(undefined)) return NO_ROUTE;
  const fail = routes.find((route): route is FailRoute => route?.kind === 'fail');
  if (fail !== undefined) return reply(fail.code, fail.status as EnhancedStatus, fail.text);
  const isNobody = routes.some((route, i) => {
    const target = targets[i];
    return route?.kind === 'maildir' && target !== undefined && maildirParts(route.path, target) === undefined;
  });
  return isNobody ? NO_SUCH_USER : undefined;
}
