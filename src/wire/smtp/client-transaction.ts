/**
 * One message to one server, as a machine without I/O: MAIL, RCPT, content, and an outcome for each recipient.
 *
 * The recipients go in batches: the server's RCPTMAX (RFC 9422) splits them, and those refused with "too many
 * recipients" after some were accepted go in the next batch (RFC 5321 §4.5.3.1.10). A batch:
 *
 *     [RSET] MAIL RCPT… DATA ──354──▶ content . ──▶ final reply      one group with PIPELINING (RFC 2920),
 *     [RSET] MAIL RCPT… BDAT…LAST ─────────────▶ final reply         else each command after its reply
 *
 * BDAT is used when it is needed (BINARYMIME, RFC 3030), and when it saves a round trip and wastes little: with
 * PIPELINING, for text of at most one chunk, all goes in one group. If then every recipient is refused, at most
 * 64 KiB were sent for nothing. Chunks of larger content are sent one at a time, each after the reply to the last.
 *
 * LMTP gives one final reply for each accepted recipient (RFC 2033 §4.2), and never gets content before we
 * know that there are any.
 */

import { type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { type Outcome, type Scope } from '../../mail/outcome.ts';
import { type Reply, classOf } from '../../mail/reply.ts';
import { mailCommand, rcptCommand } from './client-commands.ts';
import { type Offers } from './client-extensions.ts';
import { type Loss, deliveredBy, isTooMany, softened, undeliveredBy, undeliveredByLoss } from './client-outcomes.ts';

export const MAX_CHUNK_OCTETS = 65_536;

export interface ClientMessage {
  /** `body` and `smtpUtf8` as the content and the addresses are in fact: the server must offer what they need. */
  readonly sender: SenderParameters;
  readonly recipients: readonly Recipient[];
  readonly octets: number;
  /** The value of BY, where its time has to be kept (RFC 2852 §4). */
  readonly by?: string | undefined;
  /** `possible`: clean text; `never`: only DATA can carry it. BINARYMIME needs BDAT whatever is said here. */
  readonly bdat: 'possible' | 'never';
}

export type TransactionAction =
  | { readonly kind: 'send'; readonly octets: string }
  /** `data`: send all of it through a `DataEncoder`, then call `contentSent`. `bdat`: call `chunk` for the next chunk. */
  | { readonly kind: 'content'; readonly framing: 'data' | 'bdat' }
  /** `index` is the recipient's place in the message. */
  | { readonly kind: 'outcome'; readonly index: number; readonly outcome: Outcome };

export interface TransactionContext {
  readonly protocol: 'smtp' | 'lmtp';
  readonly offers: Offers;
  readonly remoteMta: string;
  /** Transactions completed on this connection before this one. */
  readonly completed: number;
  /** Transactions that the server still takes on this connection (RFC 9422 MAILMAX). */
  readonly allowed: number;
}

type Awaited = 'reset' | 'mail' | 'rcpt' | 'data' | 'chunk' | 'final' | 'nothing';

interface Step {
  readonly awaits: Awaited;
  readonly command: string;
}

export type TransactionWait = 'command' | 'data' | 'final' | 'content';

export class ClientTransaction {
  readonly #message: ClientMessage;
  readonly #context: TransactionContext;
  readonly #open: Set<number>;
  /** Recipients that no batch has held yet, or that go in the next one. */
  #waiting: number[];
  #steps: Step[] = [];
  #awaited: Awaited[] = [];
  /** Recipients of the batch whose RCPT has no reply yet; then those accepted, in order. */
  #asked: number[] = [];
  #accepted: number[] = [];
  #mailRefused = false;
  #bdat = false;
  #sending = false;
  #contentBegun = false;
  #replied = false;
  #brokenOff = false;
  #needsReset: boolean;
  #batches = 0;
  #out: TransactionAction[] = [];

  /** `reset`: the transaction before this one may have left the server in the middle of it. */
  constructor(message: ClientMessage, context: TransactionContext, reset: 'reset' | 'fresh') {
    this.#message = message;
    this.#context = context;
    this.#waiting = message.recipients.map((_, index) => index);
    this.#open = new Set(this.#waiting);
    this.#needsReset = reset === 'reset';
  }

  get over(): boolean {
    return this.#open.size === 0 && this.#awaited.length === 0 && !this.#sending;
  }

  /** Refused in the middle of its content: only closing the connection can say that no more comes. */
  get brokenOff(): boolean {
    return this.#brokenOff;
  }

  get needsReset(): boolean {
    return this.#needsReset;
  }

  get batches(): number {
    return this.#batches;
  }

  /** Nothing was heard of it and its content cannot be with the server: it may be begun anew elsewhere without harm. */
  get untouched(): boolean {
    return !this.#replied && !this.#contentBegun;
  }

  get waitsFor(): TransactionWait | undefined {
    if (this.#sending) return 'content';
    const [next] = this.#awaited;
    if (next === undefined) return undefined;
    if (next === 'data') return 'data';
    return next === 'final' || next === 'chunk' ? 'final' : 'command';
  }

  begin(): readonly TransactionAction[] {
    const { offers } = this.#context;
    const { octets } = this.#message;
    if (offers.size !== undefined && offers.size > 0 && octets > offers.size) this.#tooLarge(offers.size);
    else this.#startBatch();
    return this.#flush();
  }

  /** A reply came. Undefined: nobody waits for one. */
  reply(reply: Reply): readonly TransactionAction[] | undefined {
    const awaited = this.#awaited.shift();
    if (awaited === undefined) {
      if (!this.#sending || reply.code < 400) return undefined;
      this.#contentRefused(reply);
      this.#brokenOff = true;
      return this.#flush();
    }
    this.#replied = true;
    this.#take(awaited, reply);
    // The chunk of a group has not left yet, and nobody is there to get it.
    if (this.#awaited.length === 0 && this.#sending && this.#accepted.length === 0) this.#sending = false;
    if (this.#awaited.length === 0 && !this.#sending) this.#goOn();
    return this.#flush();
  }

  /** 421 (RFC 5321 §3.8): the server closes, whatever it was asked. */
  closing(reply: Reply): readonly TransactionAction[] {
    const scope: Scope = this.#context.completed > 0 ? 'connection' : 'path';
    this.#endAll(undeliveredBy(reply, scope, this.#context.remoteMta));
    return this.#flush();
  }

  lost(loss: Loss): readonly TransactionAction[] {
    const early: Scope = this.#context.completed > 0 ? 'connection' : 'host';
    const scope = this.#contentBegun ? 'message' : early;
    this.#endAll(undeliveredByLoss(loss, scope, this.#context.remoteMta));
    return this.#flush();
  }

  /** The command for the next chunk of content; send it, then the octets. */
  chunk(octets: number, last: 'last' | 'more'): string {
    this.#contentBegun = true;
    this.#sending = false;
    this.#awaited.push(last === 'last' ? 'final' : 'chunk');
    return `BDAT ${octets}${last === 'last' ? ' LAST' : ''}\r\n`;
  }

  /** All content has been handed to the socket, with its final dot. */
  contentSent(): void {
    this.#sending = false;
    if (this.#open.size > 0) this.#awaited.push('final');
  }

  #startBatch(): void {
    const { offers, protocol, allowed } = this.#context;
    if (this.#batches >= allowed) return this.#noMoreTransactions();
    this.#batches += 1;
    this.#asked = this.#waiting.splice(0, offers.maxRecipients);
    this.#accepted = [];
    this.#mailRefused = false;
    this.#bdat = this.#usesBdat();
    const inOneGroup = this.#bdat && offers.pipelining && protocol === 'smtp';
    this.#steps = this.#commands();
    if (!offers.pipelining) return this.#nextStep();
    this.#out.push({ kind: 'send', octets: this.#steps.map(({ command }) => command).join('') });
    this.#awaited.push(...this.#steps.map(({ awaits }) => awaits));
    this.#steps = [];
    if (inOneGroup) this.#askForContent();
    return undefined;
  }

  #usesBdat(): boolean {
    const { offers, protocol } = this.#context;
    const { sender, bdat, octets } = this.#message;
    if (!offers.chunking) return false;
    if (sender.body === 'BINARYMIME') return true;
    return bdat === 'possible' && offers.pipelining && protocol === 'smtp' && octets <= MAX_CHUNK_OCTETS;
  }

  #commands(): Step[] {
    const { sender, recipients, octets, by } = this.#message;
    const { offers } = this.#context;
    const steps: Step[] = this.#needsReset ? [{ awaits: 'reset', command: 'RSET\r\n' }] : [];
    this.#needsReset = false;
    steps.push({ awaits: 'mail', command: mailCommand(sender, { octets, by }, offers) });
    for (const index of this.#asked) {
      const recipient = recipients[index];
      if (recipient !== undefined) steps.push({ awaits: 'rcpt', command: rcptCommand(recipient, offers) });
    }
    if (!this.#bdat) steps.push({ awaits: 'data', command: 'DATA\r\n' });
    return steps;
  }

  #nextStep(): void {
    const step = this.#steps.shift();
    if (step === undefined) return;
    this.#out.push({ kind: 'send', octets: step.command });
    this.#awaited.push(step.awaits);
  }

  #askForContent(): void {
    this.#sending = true;
    // A chunk is begun when its command is asked for.
    if (!this.#bdat) this.#contentBegun = true;
    this.#out.push({ kind: 'content', framing: this.#bdat ? 'bdat' : 'data' });
  }

  /** Everything asked is answered: the next command, the content, the next batch, or the end. */
  #goOn(): void {
    const wanted = !this.#mailRefused && (this.#asked.length > 0 || this.#accepted.length > 0);
    if (wanted && this.#steps.length > 0) return this.#nextStep();
    if (wanted && this.#accepted.length > 0) return this.#askForContent();
    if (this.#waiting.length > 0 && !this.#mailRefused) return this.#startBatch();
    return undefined;
  }

  #take(awaited: Awaited, reply: Reply): void {
    switch (awaited) {
      case 'mail':
        return this.#tookMail(reply);
      case 'rcpt':
        return this.#tookRcpt(reply);
      case 'data':
        return this.#tookData(reply);
      case 'chunk':
        return classOf(reply) === 'completed' ? undefined : this.#contentRefused(reply);
      case 'final':
        return this.#tookFinal(reply);
      case 'reset':
      case 'nothing':
        return undefined;
    }
  }

  #tookMail(reply: Reply): void {
    if (classOf(reply) === 'completed') {
      this.#needsReset = true;
      return;
    }
    this.#mailRefused = true;
    this.#steps = [];
    this.#endMany([...this.#asked, ...this.#waiting], undeliveredBy(reply, 'message', this.#context.remoteMta));
    this.#waiting = [];
  }

  #tookRcpt(given: Reply): void {
    const index = this.#asked.shift();
    if (index === undefined || this.#mailRefused) return;
    const reply = softened(given);
    if (classOf(reply) === 'completed') this.#accepted.push(index);
    else if (isTooMany(reply) && this.#accepted.length > 0) this.#waiting.push(index);
    else this.#end(index, undeliveredBy(reply, 'recipient', this.#context.remoteMta));
    // Without a group DATA is not sent for nobody.
    if (this.#asked.length === 0 && this.#accepted.length === 0) this.#steps = [];
  }

  #tookData(reply: Reply): void {
    if (classOf(reply) === 'intermediate') {
      if (this.#accepted.length > 0) return this.#askForContent();
      // RFC 2920 §3.1: a server that says 354 with nobody to deliver to must still get its dot.
      this.#out.push({ kind: 'send', octets: '.\r\n' });
      this.#awaited.push('nothing');
      return undefined;
    }
    return this.#contentRefused(reply);
  }

  /** The server does not want the content of this batch; what it holds of it is for RSET. */
  #contentRefused(reply: Reply): void {
    this.#needsReset = true;
    this.#endMany(this.#accepted, undeliveredBy(reply, 'message', this.#context.remoteMta));
    this.#accepted = [];
    if (classOf(reply) === 'transient') this.#endWaiting(reply);
  }

  #tookFinal(reply: Reply): void {
    // RFC 3030 §2: after a chunk that failed the server waits for RSET.
    this.#needsReset = this.#bdat && classOf(reply) !== 'completed';
    const taken = this.#context.protocol === 'lmtp' ? this.#accepted.splice(0, 1) : this.#accepted.splice(0);
    const { remoteMta, offers, protocol } = this.#context;
    const completed = classOf(reply) === 'completed';
    const outcome = completed
      ? deliveredBy(reply, {
          ...{ remoteMta, dsnPassedOn: offers.dsn, final: protocol === 'lmtp' },
          ...(this.#message.by !== undefined && offers.deliverBy && { deliverByPassedOn: true }),
        })
      : undeliveredBy(reply, 'message', remoteMta);
    this.#endMany(taken, protocol === 'lmtp' && !completed ? ({ ...outcome, scope: 'recipient' } as Outcome) : outcome);
    if (this.#accepted.length > 0) this.#awaited.unshift('final');
    else if (classOf(reply) === 'transient') this.#endWaiting(reply);
  }

  /** A message that was put off for some is not offered again at once for the rest. */
  #endWaiting(reply: Reply): void {
    this.#endMany(this.#waiting, undeliveredBy(reply, 'message', this.#context.remoteMta));
    this.#waiting = [];
  }

  #tooLarge(limit: number): void {
    this.#waiting = [];
    this.#endAll({
      kind: 'failed',
      status: '5.3.4',
      scope: 'message',
      diagnostic: `postrider: the message has ${this.#message.octets} octets and the server takes ${limit}`,
      remoteMta: this.#context.remoteMta,
      cause: 'policy',
    });
  }

  #noMoreTransactions(): void {
    const text = 'the server takes no more transactions on this connection';
    this.#endAll(
      undeliveredByLoss({ cause: 'connection', status: '4.5.3', text }, 'connection', this.#context.remoteMta),
    );
  }

  #endAll(outcome: Outcome): void {
    this.#endMany([...this.#open], outcome);
    this.#waiting = [];
    this.#steps = [];
    this.#awaited = [];
    this.#sending = false;
  }

  #endMany(indexes: readonly number[], outcome: Outcome): void {
    for (const index of indexes) this.#end(index, outcome);
  }

  #end(index: number, outcome: Outcome): void {
    if (this.#open.delete(index)) this.#out.push({ kind: 'outcome', index, outcome });
  }

  #flush(): readonly TransactionAction[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
