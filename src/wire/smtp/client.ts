/**
 * The client side of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O.
 *
 * Octets go in through `receive`; every call returns the actions to perform, in order. The machine owns no
 * socket, no clock and no policy, and never throws for what a server sends.
 *
 *     greeting ──▶ hello ──▶ [startTls ──▶ handshake ──▶ hello] ──▶ [login] ──▶ ready ◀──▶ transaction
 *                                                                                │
 *                                    closed ◀── 421, garbage, loss, quit ◀───────┘
 *
 * Before `ready` the session can end in one `refused` action; later it ends with the outcomes of the open
 * transaction, if any. In both cases `close` follows.
 *
 * TLS: what the server offered before it is forgotten, and octets that came in clear behind the 220 to STARTTLS
 * end the session, because somebody else may have put them there (RFC 3207 §4.2, §5).
 */

import { type EnhancedStatus, type Reply, classOf } from '../../mail/reply.ts';
import { type Cause } from '../../mail/outcome.ts';
import { NO_OFFERS, type Offers, readOffers } from './client-extensions.ts';
import { type Credentials, loginLines } from './client-login.ts';
import { type Loss, diagnosticOf } from './client-outcomes.ts';
import { type ClientMessage, ClientTransaction, type TransactionAction } from './client-transaction.ts';
import { ReplyReader } from './reply-reader.ts';

export interface ClientOptions {
  readonly protocol: 'smtp' | 'lmtp';
  readonly helloName: string;
  /** Name of the server, for outcomes. */
  readonly peer: string;
  /** `established`: the connection was TLS from its first octet. */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'established';
  readonly credentials: Credentials | undefined;
  /** Credentials go over TLS, or over a loopback address; nowhere else. */
  readonly loopback: boolean;
}

export type ClientAction =
  | TransactionAction
  /** Do the handshake, then call `secured`. */
  | { readonly kind: 'startTls' }
  /** `begin` and `ask` may be called. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The answer to `ask`. */
  | { readonly kind: 'answer'; readonly reply: Reply }
  /** The transaction is over: every recipient had its outcome. */
  | { readonly kind: 'finished' }
  | { readonly kind: 'close' };

/** Why the server could not be used at all. */
export interface Refusal {
  /** `permanent`: the host says by 5xx that it takes no mail from us (RFC 5321 §3.1, RFC 7504); asking other hosts may help. */
  readonly kind: 'transient' | 'permanent';
  readonly stage: 'greeting' | 'hello' | 'tls' | 'login';
  readonly status: EnhancedStatus;
  readonly diagnostic: string;
  readonly cause: Cause;
}

export type ClientWait = 'greeting' | 'command' | 'data' | 'final' | 'content' | 'handshake';

type State = 'greeting' | 'hello' | 'helo' | 'startTls' | 'handshake' | 'login' | 'ready' | 'asked' | 'transaction' | 'quitting' | 'closed'; // prettier-ignore

const CLOSE: ClientAction = { kind: 'close' };

export class SmtpClient {
  readonly #options: ClientOptions;
  #reader = new ReplyReader();
  #state: State = 'greeting';
  #secure: boolean;
  #offers: Offers = NO_OFFERS;
  #loginLines: string[] = [];
  #transaction: ClientTransaction | undefined;
  #completed = 0;
  #begun = 0;
  #needsReset = false;
  #heard = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#secure = options.tls === 'established';
  }

  get offers(): Offers {
    return this.#offers;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Transactions that the server has answered to the end. */
  get completed(): number {
    return this.#completed;
  }

  /** The server takes no further transaction on this connection (RFC 9422 MAILMAX). */
  get exhausted(): boolean {
    return this.#begun >= this.#offers.maxTransactions;
  }

  /** Whole replies read so far: the driver's clock starts anew at each, and not at single octets. */
  get heard(): number {
    return this.#heard;
  }

  /** What the driver's clock is to watch; undefined while nothing is expected of the server. */
  get waitsFor(): ClientWait | undefined {
    switch (this.#state) {
      case 'greeting':
      case 'handshake':
        return this.#state;
      case 'ready':
      case 'closed':
        return undefined;
      case 'transaction':
        return this.#transaction?.waitsFor;
      default:
        return 'command';
    }
  }

  /** The open transaction may be begun anew on another connection without harm. */
  get untouched(): boolean {
    return this.#transaction?.untouched ?? true;
  }

  /** Keeps the chunk until it is read: the caller must not write to it again. */
  receive(chunk: Buffer): readonly ClientAction[] {
    if (this.#state === 'closed') return [];
    // Octets in clear while the handshake is to begin are nobody's.
    if (this.#state === 'handshake') return this.#lostFor('protocol', 'octets in clear after the reply to STARTTLS');
    this.#reader.push(chunk);
    const actions: ClientAction[] = [];
    while (!this.#isClosed()) {
      const read = this.#reader.next();
      if (read === undefined) break;
      actions.push(...(read.kind === 'bad' ? this.#lostFor('protocol', read.reason) : this.#take(read.reply)));
    }
    return actions;
  }

  /** The handshake that `startTls` asked for is done. */
  secured(): readonly ClientAction[] {
    if (this.#state !== 'handshake') throw new Error(`secured() in state ${this.#state}`);
    this.#reader = new ReplyReader();
    this.#secure = true;
    return this.#hello();
  }

  begin(message: ClientMessage): readonly ClientAction[] {
    if (this.#state !== 'ready') throw new Error(`begin() in state ${this.#state}`);
    if (message.recipients.length === 0) throw new Error('begin() without recipients');
    const context = {
      protocol: this.#options.protocol,
      offers: this.#offers,
      remoteMta: this.#options.peer,
      completed: this.#completed,
      allowed: this.#offers.maxTransactions - this.#begun,
    };
    this.#transaction = new ClientTransaction(message, context, this.#needsReset ? 'reset' : 'fresh');
    this.#state = 'transaction';
    return this.#after(this.#transaction.begin());
  }

  /** The command for the next chunk; to be called only while `waitsFor` is `content`. */
  chunk(octets: number, last: 'last' | 'more'): string {
    if (this.#transaction === undefined) throw new Error('chunk() without a transaction');
    return this.#transaction.chunk(octets, last);
  }

  contentSent(): readonly ClientAction[] {
    // The end may have come while the last of it was being sent.
    if (this.#state !== 'transaction') return [];
    this.#transaction?.contentSent();
    return this.#after([]);
  }

  /** Sends one command for a caller that leads the transaction itself; its reply comes as `answer`. */
  ask(command: string): readonly ClientAction[] {
    if (this.#state !== 'ready') throw new Error(`ask() in state ${this.#state}`);
    this.#state = 'asked';
    return [{ kind: 'send', octets: command }];
  }

  quit(): readonly ClientAction[] {
    if (this.#state !== 'ready') return this.#close();
    this.#state = 'quitting';
    return [{ kind: 'send', octets: 'QUIT\r\n' }];
  }

  /** The connection is gone, or is given up: time ran out, the content cannot be read. */
  lost(loss: Loss): readonly ClientAction[] {
    const state = this.#state;
    this.#state = 'closed';
    switch (state) {
      case 'transaction':
        return [...(this.#transaction?.lost(loss) ?? []), { kind: 'finished' }, CLOSE];
      case 'ready':
      case 'asked':
      case 'quitting':
        return [CLOSE];
      case 'closed':
        return [];
      default:
        return [{ kind: 'refused', refusal: refusedByLoss(loss, stageOf(state)) }, CLOSE];
    }
  }

  #lostFor(cause: Loss['cause'], text: string): readonly ClientAction[] {
    return this.lost({ cause, status: '4.5.0', text });
  }

  // A method, because the compiler cannot see that handlers move the state.
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #close(): readonly ClientAction[] {
    if (this.#state === 'closed') return [];
    this.#state = 'closed';
    return [CLOSE];
  }

  #take(reply: Reply): readonly ClientAction[] {
    this.#heard += 1;
    switch (this.#state) {
      case 'greeting':
        return this.#greeted(reply);
      case 'hello':
      case 'helo':
        return this.#helloed(reply);
      case 'startTls':
        return this.#startTlsAnswered(reply);
      case 'login':
        return this.#loginAnswered(reply);
      case 'transaction':
        return this.#transactionAnswered(reply);
      case 'asked':
        this.#state = 'ready';
        return [{ kind: 'answer', reply }, ...(reply.code === 421 ? this.#close() : [])];
      default:
        // Idle: a 421 says goodbye, and anything else is nonsense. Both end the connection; no mail is open.
        return this.#close();
    }
  }

  #greeted(reply: Reply): readonly ClientAction[] {
    if (reply.code !== 220) return this.#refused(reply, 'greeting');
    return this.#hello();
  }

  #hello(): readonly ClientAction[] {
    this.#state = 'hello';
    this.#offers = NO_OFFERS;
    const verb = this.#options.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    return [{ kind: 'send', octets: `${verb} ${this.#options.helloName}\r\n` }];
  }

  #helloed(reply: Reply): readonly ClientAction[] {
    if (classOf(reply) === 'completed') {
      if (this.#state === 'hello') this.#offers = readOffers(reply);
      return this.#secureOrLogin();
    }
    // RFC 5321 §4.1.4: a server that does not know EHLO is asked by HELO.
    const fallsBack = this.#state === 'hello' && this.#options.protocol === 'smtp' && classOf(reply) === 'permanent';
    if (!fallsBack) return this.#refused(reply, 'hello');
    this.#state = 'helo';
    return [{ kind: 'send', octets: `HELO ${this.#options.helloName}\r\n` }];
  }

  #secureOrLogin(): readonly ClientAction[] {
    if (this.#secure || this.#options.tls === 'none') return this.#login();
    if (this.#offers.startTls) {
      this.#state = 'startTls';
      return [{ kind: 'send', octets: 'STARTTLS\r\n' }];
    }
    if (this.#options.tls === 'opportunistic') return this.#login();
    return this.#refusedByUs('tls', 'the server does not offer TLS, which is required');
  }

  #startTlsAnswered(reply: Reply): readonly ClientAction[] {
    if (reply.code === 220) {
      if (this.#reader.pending) return this.#lostFor('protocol', 'octets in clear after the reply to STARTTLS');
      this.#state = 'handshake';
      return [{ kind: 'startTls' }];
    }
    if (reply.code === 421 || this.#options.tls !== 'opportunistic') return this.#refused(reply, 'tls');
    return this.#login();
  }

  #login(): readonly ClientAction[] {
    const { credentials, loopback } = this.#options;
    if (credentials === undefined) return this.#becomeReady();
    if (!this.#secure && !loopback) return this.#refusedByUs('login', 'credentials are not sent without TLS');
    const lines = loginLines(this.#offers.auth, credentials);
    if (lines === undefined) return this.#refusedByUs('login', 'the server offers neither AUTH PLAIN nor AUTH LOGIN');
    const [first, ...rest] = lines;
    this.#loginLines = rest;
    this.#state = 'login';
    return [{ kind: 'send', octets: first }];
  }

  #loginAnswered(reply: Reply): readonly ClientAction[] {
    if (reply.code === 235) return this.#becomeReady();
    const next = reply.code === 334 ? this.#loginLines.shift() : undefined;
    return next === undefined ? this.#refused(reply, 'login') : [{ kind: 'send', octets: next }];
  }

  #becomeReady(): readonly ClientAction[] {
    this.#state = 'ready';
    return [{ kind: 'ready' }];
  }

  #transactionAnswered(reply: Reply): readonly ClientAction[] {
    const transaction = this.#transaction;
    if (transaction === undefined) return this.#close();
    if (reply.code === 421) {
      this.#state = 'closed';
      return [...transaction.closing(reply), { kind: 'finished' }, CLOSE];
    }
    const actions = transaction.reply(reply);
    if (actions === undefined) return this.#lostFor('protocol', 'a reply came that nothing was asked for');
    if (!transaction.brokenOff) return this.#after(actions);
    return [...actions, ...this.#lostFor('protocol', 'the content was refused before its end')];
  }

  /** The transaction's actions; `finished` behind them when they were its last. */
  #after(actions: readonly TransactionAction[]): readonly ClientAction[] {
    const transaction = this.#transaction;
    if (this.#state !== 'transaction' || transaction === undefined || !transaction.over) return actions;
    this.#transaction = undefined;
    this.#state = 'ready';
    this.#begun += transaction.batches;
    this.#completed += transaction.batches;
    this.#needsReset = transaction.needsReset;
    return [...actions, { kind: 'finished' }];
  }

  #refused(reply: Reply, stage: Refusal['stage']): readonly ClientAction[] {
    this.#state = 'closed';
    return [{ kind: 'refused', refusal: refusedByReply(reply, stage) }, CLOSE];
  }

  #refusedByUs(stage: 'tls' | 'login', text: string): readonly ClientAction[] {
    this.#state = 'closed';
    const cause = stage === 'tls' ? 'tls' : 'policy';
    const refusal: Refusal = { kind: 'transient', stage, status: '4.7.4', diagnostic: `postrider: ${text}`, cause };
    return [{ kind: 'refused', refusal }, CLOSE];
  }
}

/** RFC 5321 §3.1 and RFC 7504: 5xx in place of a welcome is for good. A login is our setting: it can be mended, so it never bounces mail. */
function refusedByReply(reply: Reply, stage: Refusal['stage']): Refusal {
  const diagnostic = diagnosticOf(reply);
  const replyClass = classOf(reply);
  if (replyClass === 'completed' || replyClass === 'intermediate')
    return { kind: 'transient', stage, status: '4.5.0', diagnostic, cause: 'protocol' };
  const permanent = replyClass === 'permanent' && (stage === 'greeting' || stage === 'hello');
  if (permanent) return { kind: 'permanent', stage, status: reply.status ?? '5.3.2', diagnostic, cause: 'reply' };
  const fallback: EnhancedStatus = stage === 'login' ? '4.7.8' : '4.3.2';
  const status = replyClass === 'transient' ? (reply.status ?? fallback) : fallback;
  return { kind: 'transient', stage, status, diagnostic, cause: stage === 'tls' ? 'tls' : 'reply' };
}

function refusedByLoss({ cause, status, text }: Loss, stage: Refusal['stage']): Refusal {
  return { kind: 'transient', stage, status, diagnostic: `postrider: ${text}`, cause };
}

function stageOf(state: State): Refusal['stage'] {
  if (state === 'greeting') return 'greeting';
  if (state === 'hello' || state === 'helo') return 'hello';
  return state === 'login' ? 'login' : 'tls';
}
