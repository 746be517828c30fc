/**
 * Joins one socket to one SMTP machine, for a simulated receiver. What is said is decided by the `Reception`; the
 * replies are spaced by its pace, and while any of them waits nothing is read.
 */

import { type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { assertNever } from '../lib/assert-never.ts';
import { OctetCollector } from '../lib/octet-collector.ts';
import { MINUTE, SECOND } from '../lib/time.ts';
import { formatMailbox } from '../mail/path.ts';
import { formatReply, type Reply, reply } from '../mail/reply.ts';
import { type Clock } from '../ports/clock.ts';
import { type Timer, type Timers } from '../ports/timers.ts';
import {
  type Action,
  type Decision,
  type Question,
  type ServerOptions,
  serverOptions,
  SmtpServer,
} from '../wire/smtp/server.ts';
import { type Reception } from './behaviour.ts';
import { type ReceivedMail } from './received-mail.ts';

/** Content that is coming in, over all sessions together. */
export interface ContentBudget {
  octets: number;
}

export interface ReceiverDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly mail: ReceivedMail;
  readonly budget: ContentBudget;
}

const MAX_CONTENT = 25 * 1024 * 1024;
const BUDGET = 64 * 1024 * 1024;
const IDLE = 5 * MINUTE;
/** A client that was told to go and stays. */
const LINGER = 2 * SECOND;

const FULL = reply(452, '4.3.1', 'The sandbox is busy with other messages; try again later');
const OK = reply(250, '2.0.0', 'OK');

export interface ReceiverHost {
  /** What the server calls itself. */
  readonly hostname: string;
  /** Absent: it has no TLS. */
  readonly secureContext: SecureContext | undefined;
}

export function receiveMail(socket: Socket, host: ReceiverHost, reception: Reception, deps: ReceiverDeps): void {
  new ReceiverSession(socket, host, reception, deps).begin();
}

function machineOptions(hostname: string): ServerOptions {
  return serverOptions({ hostname, maxContentOctets: MAX_CONTENT });
}

class ReceiverSession {
  #socket: Socket;
  readonly #host: ReceiverHost;
  readonly #reception: Reception;
  readonly #deps: ReceiverDeps;
  readonly #machine: SmtpServer;
  /** Replies that wait for their turn. */
  readonly #replies: string[] = [];
  #turn: Timer | undefined;
  #linger: Timer | undefined;
  #closing = false;
  /** The reply to STARTTLS is on its way, and TLS begins behind it. */
  #securing = false;
  #reversePath = '';
  #recipients: string[] = [];
  /** Nothing once the budget was exceeded. */
  #content: OctetCollector | undefined;
  #held = 0;

  constructor(socket: Socket, host: ReceiverHost, reception: Reception, deps: ReceiverDeps) {
    this.#socket = socket;
    this.#host = host;
    this.#reception = reception;
    this.#deps = deps;
    this.#machine = new SmtpServer(
      machineOptions(host.hostname),
      host.secureContext === undefined ? 'absent' : 'available',
    );
  }

  begin(): void {
    this.#socket.setNoDelay(true);
    this.#listen();
    this.#run(this.#machine.start());
  }

  #listen(): void {
    const socket = this.#socket;
    socket.setTimeout(IDLE, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
    socket.on('drain', () => this.#flow());
    socket.on('data', (chunk: Buffer) => {
      if (!this.#closing) this.#run(this.#machine.receive(chunk));
    });
  }

  #secure(): void {
    const plain = this.#socket;
    for (const event of ['close', 'drain', 'data', 'timeout']) plain.removeAllListeners(event);
    const secured = new TLSSocket(plain, { isServer: true, secureContext: this.#host.secureContext });
    // Node tells of some errors by this event alone.
    secured.on('_tlsError', () => secured.destroy());
    this.#socket = secured;
    this.#listen();
    secured.once('secure', () => this.#run(this.#machine.tlsStarted()));
  }

  /** Performs what there is to perform; a question is the last of its actions, and answered at once. */
  #run(first: readonly Action[]): void {
    let actions = first;
    for (;;) {
      const asked = this.#perform(actions);
      if (asked === undefined) break;
      actions = this.#machine.answer(this.#decide(asked));
    }
    this.#flow();
  }

  #perform(actions: readonly Action[]): Question | undefined {
    let asked: Question | undefined;
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          this.#replies.push(formatReply(action.reply));
          break;
        case 'ask':
          asked = action.question;
          break;
        case 'content':
          this.#collect(action.octets);
          break;
        case 'abort':
        case 'reset':
          this.#forget();
          break;
        case 'close':
          this.#closing = true;
          break;
        case 'startTls':
          this.#securing = true;
          break;
        default:
          assertNever(action);
      }
    }
    return asked;
  }

  #decide(question: Question): Decision {
    switch (question.kind) {
      case 'connect':
        return this.#reception.connect() ?? 'go';
      case 'hello':
        return OK;
      case 'sender': {
        const { reversePath } = question.sender;
        this.#forget();
        this.#reversePath = reversePath === null ? '' : formatMailbox(reversePath);
        return reply(250, '2.1.0', 'OK');
      }
      case 'recipient': {
        const { forwardPath } = question.recipient;
        const decision = this.#reception.recipient(this.#reversePath, forwardPath);
        if (decision.code < 300) this.#recipients.push(formatMailbox(forwardPath));
        return decision;
      }
      case 'content':
        if (this.#deps.budget.octets >= BUDGET) return FULL;
        this.#content = new OctetCollector();
        return 'go';
      case 'finish':
        return this.#finish();
      case 'startTls':
        return 'go'; // Asked for only where it is offered.
      default:
        // Neither TLS nor logins are offered here.
        return 'unavailable';
    }
  }

  #collect(octets: Buffer): void {
    this.#deps.budget.octets += octets.length;
    this.#held += octets.length;
    if (this.#deps.budget.octets > BUDGET) this.#drop();
    else this.#content?.push(octets);
  }

  #finish(): Reply {
    const content = this.#content?.take();
    const [reversePath, recipients] = [this.#reversePath, this.#recipients];
    this.#forget();
    if (content === undefined) return FULL;
    const receivedAt = this.#deps.clock.now();
    const { id } = this.#deps.mail.keep(
      { recipients, reversePath: reversePath === '' ? '<>' : reversePath, receivedAt, server: this.#host.hostname },
      // The collector's buffer may be twice as large as what is in it.
      Buffer.from(content),
    );
    this.#reception.accepted();
    return reply(250, '2.0.0', `OK, kept as ${id}`);
  }

  #forget(): void {
    this.#drop();
    this.#reversePath = '';
    this.#recipients = [];
  }

  #drop(): void {
    this.#deps.budget.octets -= this.#held;
    this.#held = 0;
    this.#content = undefined;
  }

  /** Sends what may be sent now, and reads on when nothing waits. */
  #flow(): void {
    if (this.#socket.destroyed) return;
    const { pace } = this.#reception;
    if (pace === 0 && this.#turn === undefined) this.#write(this.#replies.splice(0).join(''));
    else if (this.#replies.length > 0) this.#turn ??= this.#deps.timers.after(pace, () => this.#takeTurn());
    if (this.#replies.length === 0 && this.#closing) return this.#leave();
    if (this.#replies.length === 0 && this.#securing) {
      this.#securing = false;
      return this.#secure();
    }
    if (this.#replies.length > 0 || this.#socket.writableNeedDrain) this.#socket.pause();
    else this.#socket.resume();
    return undefined;
  }

  #takeTurn(): void {
    this.#turn = undefined;
    this.#write(this.#replies.shift() ?? '');
    this.#flow();
  }

  #write(octets: string): void {
    if (octets !== '' && this.#socket.writable) this.#socket.write(octets);
  }

  /** What still comes is read and dropped: unread octets would cut off the last reply. */
  #leave(): void {
    if (this.#linger !== undefined) return;
    this.#linger = this.#deps.timers.after(LINGER, () => this.#socket.destroy());
    this.#socket.end();
    this.#socket.resume();
  }

  #closed(): void {
    this.#turn?.cancel();
    this.#linger?.cancel();
    this.#closing = true;
    this.#machine.disconnect();
    this.#forget();
    this.#reception.close();
  }
}
