/**
 * Joins one socket to one SMTP machine. All I/O of a session is in this file; nothing of SMTP is decided here.
 *
 * Back-pressure: reading stops while an answer is awaited, while content is being taken, and while replies wait to be
 * read by the client. So a client that does not read its replies, or sends faster than its mail can be kept, waits.
 * Of many commands in one chunk a few are answered, and then others have their turn.
 *
 * The receiver is told `close` exactly once, after the last answer that was asked of it has come. No event of the
 * socket, in whatever order, raises an error outside.
 */

import { type Socket } from 'node:net';
import { assertNever } from '../lib/assert-never.ts';
import { type Instant } from '../lib/time.ts';
import { formatReply, type Reply } from '../mail/reply.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import {
  type Action,
  type Decision,
  type Question,
  type ReplyName,
  type SecuredState,
  type ServerOptions,
  SmtpServer,
} from '../wire/smtp/server.ts';
import { type ServerContext } from './certificate-choice.ts';
import {
  type Deadline,
  type Deadlines,
  DEFAULT_TIMEOUTS,
  LINGER_TIME,
  type Timeouts,
  TRANSACTION_TIME,
} from './timeouts.ts';
import { answerLogin, type LoginQuestion } from './login-answers.ts';
import { chooseContext, clientCertificate, secureServerSocket, tlsFacts } from './server-tls.ts';
import { type Answer, type ContentSink, type Peer, type Receiver } from './transaction.ts';

export interface SessionOptions {
  readonly machine: ServerOptions;
  readonly receiver: Receiver;
  readonly peer: Pick<Peer, 'address' | 'port' | 'listener'>;
  /** Shared by all sessions of a thread. */
  readonly deadlines: Deadlines;
  readonly timeouts?: Timeouts;
  readonly clock: Clock;
  readonly log: Log;
  /** Asked anew for each session, so that a reload swaps the certificate. Absent: no TLS. */
  readonly secureContext?: () => ServerContext | undefined;
  /** `implicit`: TLS begins before the greeting. */
  readonly tls?: 'implicit' | 'starttls';
  /** Each reply as it is sent; `name` where it is the machine's own. */
  readonly onReply?: (reply: Reply, name: ReplyName | undefined) => void;
}

export interface Session {
  /** The socket is closed, and the receiver knows. Never rejects. */
  readonly done: Promise<void>;
  /** Ends the session politely, as soon as no transaction is open. */
  drain(): void;
  /** Ends it now. */
  destroy(): void;
  /** A transaction is open, or an answer awaited. */
  readonly busy: boolean;
}

export function serveSession(socket: Socket, options: SessionOptions): Session {
  const session = new SmtpSession(socket, options);
  session.begin();
  return session;
}

// What a client may still send after we closed, until it has read the last reply.
const MAX_DISCARDED_OCTETS = 1 << 20;
// A chunk of 64 KiB may hold ten thousand commands: a third of a second. So many take a few milliseconds.
const COMMANDS_AT_ONCE = 32;

class SmtpSession implements Session {
  readonly done: Promise<void>;
  readonly #options: SessionOptions;
  readonly #times: Timeouts;
  readonly #machine: SmtpServer;
  readonly #deadline: Deadline;
  readonly #sessionEnds: Instant;
  readonly #resolveDone: () => void;
  #socket: Socket;
  #peer: Peer;
  #sink: ContentSink | undefined;
  /** Actions to perform, in order. */
  #actions: Action[] = [];
  /** An answer, or room for content, is awaited; `connect` while the connection itself is judged. */
  #waiting: 'no' | 'connect' | 'yes' = 'no';
  #performing = false;
  /** The machine has more to read, and others have their turn. */
  #yielding = false;
  /** `closing`: the last reply is out or on its way. `gone`: the socket is closed. */
  #stage: 'serving' | 'securing' | 'closing' | 'gone' = 'serving';
  /** The client sends no more. */
  #ended = false;
  #departed = false;
  #discarded = 0;
  #saidGoodbye = false;
  /** Replies to be written together: one segment for all replies to a pipelined group. */
  #said = '';
  /** Octets came while an answer was awaited. */
  #holding = false;
  #transactionEnds: Instant | undefined;
  readonly #onData = (chunk: Buffer): void => this.#received(chunk);
  readonly #onEnd = (): void => this.#clientEnded();
  readonly #onDrain = (): void => (this.#yielding ? this.#turn() : this.#flow());

  constructor(socket: Socket, options: SessionOptions) {
    const { machine, peer, secureContext, tls, deadlines, clock } = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    this.#options = options;
    this.#times = options.timeouts ?? DEFAULT_TIMEOUTS;
    this.#socket = socket;
    const tlsState = tls === 'implicit' ? 'active' : 'available';
    this.#machine = new SmtpServer(machine, secureContext === undefined ? 'absent' : tlsState, COMMANDS_AT_ONCE);
    const { address, port, listener } = peer;
    this.#peer = { address, port, listener, helloName: '', protocol: machine.protocol, tls: undefined };
    this.#sessionEnds = clock.monotonic() + this.#times.session;
    this.#deadline = deadlines.after(this.#times.command, () => this.#timedOut());
  }

  get busy(): boolean {
    return this.#machine.busy || this.#waiting !== 'no';
  }

  begin(): void {
    this.#watch(this.#socket);
    if (this.#options.tls === 'implicit') return this.#secure((secured) => this.#perform(this.#machine.start(secured)));
    this.#listen();
    return this.#perform(this.#machine.start());
  }

  drain(): void {
    if (this.#stage === 'securing') this.destroy();
    else if (this.#stage === 'serving') this.#perform(this.#machine.drain());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** What is wrong with the socket ends in `close`, which is all that matters. */
  #watch(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  #listen(): void {
    // We may still have replies for a client that has said all it wanted to say.
    this.#socket.allowHalfOpen = true;
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('drain', this.#onDrain);
    if (this.#socket.destroyed) this.#closed();
  }

  #received(chunk: Buffer): void {
    if (this.#stage === 'closing') return this.#discard(chunk.length);
    // More came than can be taken now: the machine holds this one piece, and nothing is read until it can go on.
    if (this.#waiting === 'yes') this.#holding = true;
    // That it spoke is all there is to know of a client that was not greeted yet: no more is read.
    if (this.#waiting === 'connect') this.#waiting = 'yes';
    if (this.#machine.busy && !this.#machine.readsCommands) this.#arm(this.#times.content);
    return this.#perform(this.#machine.receive(chunk));
  }

  /** Unread octets at the close would make the system cut the connection before the client has read the last reply. */
  #discard(octets: number): void {
    this.#discarded += octets;
    if (this.#discarded > MAX_DISCARDED_OCTETS) this.destroy();
  }

  #clientEnded(): void {
    this.#ended = true;
    if (this.#stage === 'securing') this.destroy();
    this.#goOn();
  }

  #closed(): void {
    if (this.#stage === 'gone') return;
    this.#stage = 'gone';
    this.#deadline.cancel();
    this.#goOn();
  }

  #perform(actions: readonly Action[]): void {
    this.#actions.push(...actions);
    if (actions.some(({ kind }) => kind === 'send')) this.#arm(this.#times.command);
    this.#goOn();
  }

  /** Performs what there is to perform, until an answer must be awaited. */
  #goOn(): void {
    if (this.#performing) return;
    this.#performing = true;
    try {
      while (this.#waiting === 'no') {
        const action = this.#actions.shift();
        if (action === undefined) break;
        this.#act(action);
      }
    } catch (error) {
      this.#broken(error);
    }
    this.#speak();
    this.#performing = false;
    this.#settled();
  }

  /** Nothing is left to do, or something is awaited. */
  #settled(): void {
    if (this.#waiting === 'no') {
      if (this.#stage === 'gone') return this.#depart();
      if (this.#stage === 'serving' && this.#machine.stopped) this.#yield();
      else if (this.#ended && this.#stage === 'serving') this.#leave();
    }
    return this.#flow();
  }

  #yield(): void {
    if (this.#yielding) return;
    this.#yielding = true;
    setImmediate(() => this.#turn());
  }

  /** Not before the replies to the commands before have been taken. */
  #turn(): void {
    if (!this.#yielding || this.#socket.writableNeedDrain) return;
    this.#yielding = false;
    if (this.#stage === 'serving') this.#perform(this.#machine.goOn());
  }

  /**
   * Most clients wait for each reply, so that while an answer is awaited nothing comes: reading is stopped only when
   * something does, which spares a stop and a start for each message.
   */
  #flow(): void {
    if (this.#stage === 'gone' || this.#stage === 'securing') return;
    if (this.#waiting !== 'yes') this.#holding = false;
    const awaits = this.#holding || this.#yielding || this.#socket.writableNeedDrain;
    const reads = this.#stage === 'closing' || !awaits;
    if (reads) this.#socket.resume();
    else this.#socket.pause();
  }

  #act(action: Action): void {
    switch (action.kind) {
      case 'send':
        return this.#send(action.reply, action.name);
      case 'ask':
        return this.#ask(action.question);
      case 'content':
        return this.#write(action.octets);
      case 'abort':
        this.#sink?.abort();
        this.#sink = undefined;
        return undefined;
      case 'reset':
        return this.#options.receiver.reset();
      case 'startTls':
        return this.#upgrade();
      case 'close':
        return this.#leave();
      default:
        return assertNever(action);
    }
  }

  #send(reply: Reply, name: ReplyName | undefined): void {
    this.#options.onReply?.(reply, name);
    if (name === 'quit') this.#saidGoodbye = true;
    if (this.#stage === 'serving') this.#said += formatReply(reply);
  }

  /** Replies are ASCII. */
  #speak(): void {
    if (this.#said === '') return;
    if (this.#socket.writable) this.#socket.write(this.#said, 'latin1');
    this.#said = '';
  }

  #ask(question: Question): void {
    const asked = this.#question(question);
    if (!(asked instanceof Promise)) return this.#answer(question, asked);
    this.#waiting = question.kind === 'connect' ? 'connect' : 'yes';
    asked.then(
      (decision) => this.#resume(() => this.#answer(question, decision)),
      // A receiver that fails is a fault of ours: it is logged, and the client told to come back.
      (error: unknown) => this.#resume(() => this.#fault(error)),
    );
    return undefined;
  }

  /** The answer, or a promise of it; what the receiver throws is a rejected promise, so there is one way to fail. */
  #question(question: Question): Answer<Decision> {
    try {
      return this.#decide(question);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #decide(question: Question): Answer<Decision> {
    const { receiver } = this.#options;
    switch (question.kind) {
      case 'connect':
        return map(receiver.connect(this.#peer), (refusal) => refusal ?? 'go');
      case 'hello':
        return receiver.hello({ ...this.#peer, helloName: question.helloName, protocol: question.protocol });
      case 'sender':
        return receiver.sender(this.#peer, question.sender, question.request);
      case 'recipient':
        return receiver.recipient(question.recipient);
      case 'content':
        return map(receiver.content(), (answer) => this.#contentDecided(answer));
      case 'finish':
        return this.#finish();
      case 'startTls':
        if (this.#options.secureContext?.() === undefined) return 'unavailable';
        return this.#socket.readableLength > 0 ? 'pipelined' : 'go';
      default:
        return this.#loginDecided(question);
    }
  }

  async #loginDecided(question: LoginQuestion): Promise<Decision> {
    const { decision, identity } = await answerLogin(question, {
      ...{ logins: this.#options.receiver.logins, peer: this.#peer, socket: this.#socket },
    });
    if (identity !== undefined) this.#peer = { ...this.#peer, identity };
    return decision;
  }

  #contentDecided(answer: ContentSink | Reply): Decision {
    if ('code' in answer) return answer;
    if (this.#stage === 'gone') answer.abort();
    else this.#sink = answer;
    return 'go';
  }

  async #finish(): Promise<Decision> {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) throw new Error('the content could not be taken');
    return sink.finish();
  }

  #answer(question: Question, decision: Decision): void {
    // Nobody is there to be told; what was opened is closed in `#depart`.
    if (this.#stage === 'gone') return;
    this.#actions.push(...this.#machine.answer(decision));
    if (question.kind === 'hello')
      this.#peer = { ...this.#peer, helloName: this.#machine.helloName, protocol: this.#machine.protocol };
    if (!this.#machine.busy) this.#transactionEnds = undefined;
    else this.#transactionEnds ??= this.#options.clock.monotonic() + TRANSACTION_TIME;
    this.#arm(this.#times.command);
  }

  #fault(error: unknown): void {
    this.#options.log.error('a receiving session failed', { listener: this.#peer.listener, reason: String(error) });
    if (this.#stage !== 'gone') this.#actions.push(...this.#machine.fault());
  }

  /** The chunk is the sink's until it resolves. */
  #write(octets: Buffer): void {
    if (this.#sink === undefined) return;
    const taken = this.#written(this.#sink, octets);
    if (taken === undefined) return;
    this.#waiting = 'yes';
    taken.then(
      () => this.#resume(() => undefined),
      (error: unknown) => this.#resume(() => this.#sinkFailed(error)),
    );
  }

  #written(sink: ContentSink, octets: Buffer): Promise<void> | undefined {
    try {
      return sink.write(octets) ?? undefined;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The rest of the content is swallowed, and `finish` will find that there is none. */
  #sinkFailed(error: unknown): void {
    this.#options.log.error('content could not be taken', { listener: this.#peer.listener, reason: String(error) });
    this.#sink?.abort();
    this.#sink = undefined;
  }

  #resume(then: () => void): void {
    this.#waiting = 'no';
    try {
      then();
    } catch (error) {
      this.#broken(error);
    }
    this.#goOn();
  }

  /** A bug, here or in the receiver: this session ends, and no other is touched. */
  #broken(error: unknown): void {
    this.#options.log.error('a receiving session broke', { listener: this.#peer.listener, reason: String(error) });
    this.#actions = [];
    this.#socket.destroy();
  }

  /** After the last reply: our side is closed, and theirs is waited for, for a while. */
  #leave(): void {
    if (this.#stage !== 'serving') return;
    this.#stage = 'closing';
    for (const action of this.#machine.disconnect()) this.#act(action);
    this.#speak();
    this.#arm(LINGER_TIME);
    // A client that said QUIT sends nothing more, and many close without reading our reply: what the system says of
    // that would cost more than a message's commands. TLS has a farewell of its own, which is waited for.
    if (this.#saidGoodbye && this.#peer.tls === undefined) this.#socket.destroySoon();
    else this.#socket.end();
  }

  #depart(): void {
    if (this.#departed) return;
    this.#departed = true;
    const actions = this.#machine.disconnect();
    this.#actions = [];
    try {
      for (const action of actions) this.#act(action);
      this.#options.receiver.close();
    } catch (error) {
      this.#broken(error);
    }
    this.#sink = undefined;
    this.#resolveDone();
  }

  #upgrade(): void {
    const socket = this.#socket;
    this.#stage = 'securing';
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    socket.pause();
    // The reply to STARTTLS must have left before the first octet of TLS.
    this.#speak();
    socket.write('', () => this.#secure((secured) => this.#perform(this.#machine.tlsStarted(secured))));
  }

  #secure(then: (secured: SecuredState) => void): void {
    const context = this.#options.secureContext?.();
    this.#stage = 'securing';
    const plain = this.#socket;
    if (context === undefined || plain.destroyed) {
      plain.destroy();
      return this.#closed();
    }
    this.#arm(this.#times.greeting);
    return chooseContext(plain, context, (chosen) => this.#handshake(plain, chosen, then));
  }

  #handshake(plain: Socket, context: ServerContext, then: (secured: SecuredState) => void): void {
    const secured = secureServerSocket(plain, context);
    this.#socket = secured;
    this.#watch(secured);
    this.#listen();
    secured.once('secure', () => {
      const proved = context.asksClient === true && { clientCertificate: clientCertificate(secured) };
      this.#peer = { ...this.#peer, helloName: '', tls: tlsFacts(secured), identity: undefined, ...proved };
      this.#stage = 'serving';
      then(this.#peer.clientCertificate === undefined ? 'active' : 'certified');
    });
  }

  /** Never later than the end of the transaction, or of the session. */
  #arm(delay: number): void {
    const end = Math.min(this.#transactionEnds ?? Infinity, this.#sessionEnds);
    const left = Math.max(0, end - this.#options.clock.monotonic());
    this.#deadline.restart(this.#stage === 'closing' ? delay : Math.min(delay, left));
  }

  #timedOut(): void {
    if (this.#stage !== 'serving') return this.destroy();
    // It is we who are slow: the client has done all it can.
    if (this.#waiting !== 'no') return this.#deadline.restart(this.#times.command);
    return this.#perform(this.#machine.timeout());
  }
}

function map<T, U>(answer: Answer<T>, then: (value: T) => U): Answer<U> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}
