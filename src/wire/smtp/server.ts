/**
 * The server side of SMTP and LMTP as a machine without I/O (RFC 5321, RFC 2033).
 *
 * Octets go in through `receive`, decisions through `answer`; both return the actions to perform, in order. The
 * machine owns no socket, no clock and no policy. It never throws for what a client sends: every octet sequence
 * leads to a reply. A throw means a bug in the caller.
 *
 *     (connect) ──220──▶ greeting ──EHLO──▶ ready ──MAIL──▶ mail ──RCPT──▶ rcpt ──BDAT──▶ bdat
 *                                            ▲                │             │ DATA         │ LAST
 *                                            └────RSET────────┴──content────┴──────────────┘
 *
 * At most one question is open, and no further command is read while it is, so a client that pipelines gets its
 * replies in the order of its commands (RFC 2920 §3.2).
 *
 * A client may send any number of commands in one chunk. After `commandsAtOnce` of them the machine stops, so that
 * its driver can look after others first, and `goOn` reads on.
 *
 * AUTH is `server-auth.ts`.
 */

import { assertNever } from '../../lib/assert-never.ts';
import { type Reply } from '../../mail/reply.ts';
import { type ExtensionName, offeredExtensions } from './extensions.ts';
import { type Line, LineCutter } from './line-cutter.ts';
import { MAX_AUTH_LINE, ServerAuth } from './server-auth.ts';
import {
  type Action,
  asReply,
  type Decision,
  type HelloProtocol,
  type Question,
  type ServerState,
} from './server-actions.ts';
import { type Command, COMMAND_RULES, protocolOf, readCommand, SERVER_COMMANDS, type Verb } from './server-commands.ts';
import { ehloReply, greetingOf } from './server-hello.ts';
import { isSecured, type SecuredState, type ServerOptions, type TlsState } from './server-options.ts';
import { serverReply } from './server-replies.ts';
import { ServerTransactions } from './server-transaction.ts';
import { ServerVoice } from './server-voice.ts';

export type { Action, Decision, HelloProtocol, Question, ServerState } from './server-actions.ts';
export { SERVER_STATES } from './server-actions.ts';
export { SERVER_COMMANDS } from './server-commands.ts';
export { type SecuredState, type ServerOptions, serverOptions, type TlsState } from './server-options.ts';
export { type ReplyName, SERVER_REPLIES, serverReply } from './server-replies.ts';

type Handler = (server: SmtpServer, command: Command) => void;

// RFC 5321 §4.5.3.1.2.
const MAX_HELLO_NAME = 255;
const HELLO_NAME = /^[\x21-\x7e]+$/;

export class SmtpServer {
  static readonly #handlers: Readonly<Record<Verb, Handler>> = {
    HELO: (server, command) => server.#hello(command),
    EHLO: (server, command) => server.#hello(command),
    LHLO: (server, command) => server.#hello(command),
    MAIL: (server, { argument }) => server.#mail(argument),
    RCPT: (server, { argument }) => server.#transactions.rcpt(argument, server.#offered),
    DATA: (server) => server.#data(),
    BDAT: (server, { argument }) => server.#bdat(argument),
    RSET: (server) => server.#transactions.reset(),
    NOOP: (server) => server.#voice.say('noop'),
    VRFY: (server, { argument }) => server.#voice.say(argument === '' ? 'vrfySyntax' : 'vrfy'),
    EXPN: (server) => server.#voice.say('expn'),
    HELP: (server) => server.#voice.say('help', { commands: SERVER_COMMANDS.join(' ') }),
    QUIT: (server) => server.#voice.say('quit'),
    STARTTLS: (server) => server.#startTls(),
    AUTH: (server, { argument }) => server.#login(argument),
  };

  readonly #options: ServerOptions;
  readonly #commandsAtOnce: number;
  readonly #lines: LineCutter;
  readonly #voice: ServerVoice;
  readonly #transactions: ServerTransactions;
  readonly #auth: ServerAuth;
  #tls: TlsState;
  #offered: ReadonlySet<ExtensionName>;
  /** `tls`: the octets that come are nobody's until TLS has begun. */
  #phase: 'connect' | 'session' | 'tls' = 'connect';
  #helloName = '';
  #protocol: HelloProtocol;
  #draining = false;
  /** Commands that may be read before the driver is asked to come again. */
  #left: number;

  /** `commandsAtOnce`: only for a driver that calls `goOn`. */
  constructor(options: ServerOptions, tls: TlsState, commandsAtOnce = Infinity) {
    this.#options = options;
    this.#commandsAtOnce = commandsAtOnce;
    this.#left = commandsAtOnce;
    this.#lines = new LineCutter(options.maxCommandOctets);
    this.#voice = new ServerVoice(options, () => this.#transactions.end());
    this.#transactions = new ServerTransactions(options, this.#voice);
    this.#auth = new ServerAuth(options.auth, this.#voice);
    this.#protocol = options.protocol;
    this.#tls = tls;
    this.#offered = offeredExtensions(options, tls);
  }

  get state(): ServerState | 'closed' {
    return this.#voice.closed ? 'closed' : this.#transactions.state;
  }

  /** The next octets are a command's. */
  get readsCommands(): boolean {
    if (this.#voice.closed || this.#voice.question !== undefined) return false;
    return this.#phase === 'session' && this.#transactions.reads === 'commands';
  }

  /** A mail transaction is open, or the end of one is being decided. */
  get busy(): boolean {
    return this.#transactions.open;
  }

  /** As last accepted; empty before. */
  get helloName(): string {
    return this.#helloName;
  }

  get protocol(): HelloProtocol {
    return this.#protocol;
  }

  /** The connection is there. `secured`: and TLS with it. */
  start(secured?: SecuredState): readonly Action[] {
    if (secured !== undefined) {
      this.#tls = secured;
      this.#offered = offeredExtensions(this.#options, secured);
    }
    this.#voice.ask({ kind: 'connect' });
    return this.#voice.take();
  }

  /** Takes the chunk over: the caller must not write to it again. */
  receive(chunk: Buffer): readonly Action[] {
    if (!this.#voice.closed) this.#lines.push(chunk);
    return this.#run('anew');
  }

  /** The machine stopped amid the commands that came: `goOn` is to be called before anything else is read. */
  get stopped(): boolean {
    return this.#left === 0 && this.#lines.pending && this.#voice.question === undefined && !this.#voice.closed;
  }

  goOn(): readonly Action[] {
    return this.#run('anew');
  }

  /** Answers the open question. */
  answer(decision: Decision): readonly Action[] {
    const question = this.#voice.settle();
    if (question === undefined) throw new Error('answer() without an open question');
    this.#decided(question, decision);
    return this.#run();
  }

  /** The open question cannot be answered; or, of `finish`, the content could not be taken. */
  fault(): readonly Action[] {
    return this.answer(serverReply(this.#voice.question?.kind === 'connect' ? 'connectError' : 'localError'));
  }

  /** TLS has begun. Nothing said in clear text counts any more (RFC 3207 §4.2). */
  tlsStarted(secured: SecuredState = 'active'): readonly Action[] {
    if (this.#phase !== 'tls') throw new Error('tlsStarted() without startTls');
    this.#phase = 'session';
    this.#lines.clear();
    this.#tls = secured;
    this.#offered = offeredExtensions(this.#options, secured);
    this.#transactions.renew(false);
    this.#auth.reset();
    this.#helloName = '';
    return this.#run();
  }

  /** The client is too slow. Not while a question is open: then it is we who are. */
  timeout(): readonly Action[] {
    if (this.#voice.question !== undefined) throw new Error('timeout() with an open question');
    if (!this.#voice.closed) this.#voice.say('timeout');
    return this.#voice.take();
  }

  /** We are about to stop: an open transaction may end, and no other begins (RFC 5321 §3.8). */
  drain(): readonly Action[] {
    this.#draining = true;
    return this.#run('anew');
  }

  /** The connection is gone (RFC 5321 §3.8): what was not finished never was. */
  disconnect(): readonly Action[] {
    const asked = this.#voice.settle()?.kind;
    if (asked === 'finish') this.#transactions.forget();
    // It may be accepted yet, and nobody would use it.
    if (asked === 'sender') this.#voice.push({ kind: 'reset' });
    this.#transactions.end();
    this.#voice.hangUp();
    this.#lines.clear();
    return this.#voice.take();
  }

  /** `further`: what has been read counts. */
  #run(how: 'anew' | 'further' = 'further'): readonly Action[] {
    if (how === 'anew') this.#left = this.#commandsAtOnce;
    while (this.#voice.question === undefined && !this.#voice.closed && this.#progress() === 'more');
    if (this.#voice.closed) this.#lines.clear();
    return this.#voice.take();
  }

  /** One line, or one piece of content. */
  #progress(): 'more' | 'wait' {
    switch (this.#phase) {
      case 'session':
        return this.#nextInSession();
      case 'tls':
        // Clear text where TLS should be (CVE-2011-0411): there is nobody left to reply to.
        if (this.#lines.pending) this.#voice.close();
        return 'wait';
      case 'connect':
        return 'wait';
    }
  }

  #nextInSession(): 'more' | 'wait' {
    switch (this.#transactions.reads) {
      case 'data':
        return this.#transactions.takeData(this.#lines);
      case 'chunk':
        return this.#transactions.takeChunk(this.#lines);
      case 'commands':
        return this.#nextCommand();
    }
  }

  #nextCommand(): 'more' | 'wait' {
    if (this.#draining && !this.#transactions.open) this.#voice.say('draining');
    else {
      if (this.#left === 0) return 'wait';
      const line = this.#nextLine();
      if (line === undefined) return 'wait';
      this.#left -= 1;
      if (this.#auth.reads) {
        this.#auth.respond(line);
        return 'more';
      }
      const read = readCommand(line);
      if ('verb' in read) this.#command(read);
      else this.#voice.say(read.name);
    }
    return 'more';
  }

  /** RFC 4954 §4: with a response in it, AUTH may be longer than any other command. */
  #nextLine(): Line | undefined {
    const line = this.#lines.next(this.#auth.reads ? MAX_AUTH_LINE : undefined);
    const isLogin = line?.kind === 'tooLong' && this.#offered.has('AUTH') && this.#lines.begins('AUTH ');
    return isLogin ? this.#lines.next(Math.max(MAX_AUTH_LINE, this.#options.maxCommandOctets)) : line;
  }

  #command(command: Command): void {
    const { verb, argument } = command;
    const { states, argument: allowed, purpose } = COMMAND_RULES[verb];
    if (purpose === 'junk' && this.#voice.isJunkTooMuch()) return undefined;
    if (!states.includes(this.#transactions.state)) return this.#voice.say(this.#transactions.outOfOrder(verb));
    if (allowed === 'none' && argument !== '') return this.#voice.say('argumentUnwanted', { verb });
    return SmtpServer.#handlers[verb](this, command);
  }

  #hello({ verb, argument }: Command): void {
    if ((verb === 'LHLO') !== (this.#options.protocol === 'LMTP'))
      return this.#voice.say(verb === 'LHLO' ? 'unknownCommand' : 'helloOfLmtp');
    // Anything may follow the name; RFC 5321 §4.1.4: a wrong name alone is no reason to refuse.
    const helloName = argument.split(' ', 1)[0] ?? '';
    if (!HELLO_NAME.test(helloName) || helloName.length > MAX_HELLO_NAME)
      return this.#voice.say('helloSyntax', { verb });
    if (this.#isImproper(verb)) return undefined;
    return this.#voice.ask({ kind: 'hello', helloName, protocol: protocolOf(verb) });
  }

  #mail(argument: string): void {
    if (!this.#auth.isMissing) return this.#transactions.mail(argument, this.#offered);
    return this.#voice.say(this.#offered.has('AUTH') ? 'authRequired' : 'authRequiredTls');
  }

  #login(argument: string): void {
    this.#auth.begin(argument, { tls: this.#tls, ready: this.#transactions.state === 'ready' });
  }

  #data(): void {
    if (!this.#isImproper('DATA')) this.#transactions.data();
  }

  #bdat(argument: string): void {
    this.#transactions.bdat(argument, this.#offered.has('CHUNKING') ? 'offered' : 'absent');
  }

  #startTls(): void {
    if (isSecured(this.#tls)) return this.#voice.say('tlsActive');
    if (!this.#offered.has('STARTTLS')) return this.#voice.say('tlsAbsent');
    return this.#voice.ask({ kind: 'startTls' });
  }

  /** What follows before the reply may have been meant for somebody else. */
  #isImproper(verb: string): boolean {
    if (this.#options.improperPipelining === 'tolerate' || !this.#lines.pending) return false;
    this.#voice.say('improperPipelining', { verb });
    return true;
  }

  #decided(question: Question, decision: Decision): void {
    switch (question.kind) {
      case 'connect':
        return decision === 'go' ? this.#greet() : this.#voice.giveLast(asReply(decision));
      case 'hello':
        return this.#helloDecided(question, asReply(decision));
      case 'sender':
        return this.#transactions.senderDecided(question.sender, asReply(decision));
      case 'recipient':
        return this.#transactions.recipientDecided(asReply(decision));
      case 'content':
        return this.#transactions.contentDecided(decision);
      case 'finish':
        return this.#transactions.finished(decision);
      case 'startTls':
        return this.#tlsDecided(decision);
      case 'scram':
      case 'login':
      case 'loginFailed':
        return this.#auth.decided(decision);
      default:
        return assertNever(question);
    }
  }

  #greet(): void {
    this.#phase = 'session';
    if (this.#lines.pending && this.#options.earlyTalk === 'refuse') return this.#voice.say('earlyTalk');
    return this.#voice.give(greetingOf(this.#options), 'greeting');
  }

  #helloDecided({ helloName, protocol }: { helloName: string; protocol: HelloProtocol }, decided: Reply): void {
    // RFC 5321 §4.1.4: a refused hello leaves everything as it was.
    if (decided.code >= 300) return this.#voice.give(decided);
    this.#transactions.renew(true);
    this.#helloName = helloName;
    this.#protocol = protocol;
    const { hostname } = this.#options;
    if (protocol === 'SMTP') return this.#voice.say('helloTaken', { hostname });
    return this.#voice.give(ehloReply(this.#options, this.#offered, this.#tls), 'helloTaken');
  }

  #tlsDecided(decision: Decision): void {
    if (decision === 'pipelined' || this.#lines.pending) return this.#voice.say('tlsPipelined');
    if (decision !== 'go') return this.#voice.say('tlsUnavailable');
    this.#voice.say('tlsReady');
    this.#phase = 'tls';
    return this.#voice.push({ kind: 'startTls' });
  }
}
