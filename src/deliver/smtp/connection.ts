/**
 * Joins one socket to one client machine. All I/O of an SMTP or LMTP session is in this file; what to say
 * and what a reply means is decided in `wire/smtp/client.ts`.
 *
 * Whatever the server, the network or the content file does ends in a value: `opened` says why a session
 * could not be had, `deliver` has an outcome for each recipient. Nothing here rejects but for a bug.
 *
 * Reads at most two blocks ahead of the socket. Each wait has its deadline (RFC 5321 §4.5.3.2), and the
 * whole has one, so that a server that says one octet a second is bounded too.
 */

import { type Socket } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { errorCode } from '../../lib/error-text.ts';
import { assertNever } from '../../lib/assert-never.ts';
import { isLoopback } from '../../lib/ip.ts';
import { type Outcome } from '../../mail/outcome.ts';
import { type Reply } from '../../mail/reply.ts';
import { type RouteTls } from '../../mail/route.ts';
import { type TlsResultType, type TlsSession } from '../../mail/tls-result.ts';
import { type DaneFacts, type TlsDemand } from '../../tlspolicy/decide.ts';
import { type Credentials } from '../../wire/smtp/client-login.ts';
import { DataEncoder } from '../../wire/smtp/client-content.ts';
import { type Offers } from '../../wire/smtp/client-extensions.ts';
import { type Loss } from '../../wire/smtp/client-outcomes.ts';
import { type ClientMessage, MAX_CHUNK_OCTETS } from '../../wire/smtp/client-transaction.ts';
import { type ClientAction, type ClientWait, type Refusal, SmtpClient } from '../../wire/smtp/client.ts';
import { type OutgoingContent } from '../content.ts';
import { Deadline } from '../deadline.ts';
import { type AgentOptions, type DeliveryTimeouts } from '../options.ts';
import { type Proof, type TlsProof } from './proof.ts';
import { type Resumption, resumptionFor } from './resumption.ts';
import { wantedTls } from './session-policy.ts';
import { checkTls, type Dialled, dialSocket, startTls } from './socket.ts';

/** What is written in one go, and so how far ahead of the socket the content is read: this and one block. */
const GATHERED_OCTETS = 262_144;

/** One address of one host, and what is wanted of it. */
export interface Target {
  readonly protocol: 'smtp' | 'lmtp';
  readonly host: string;
  /** Textual IP address, or the path of a local socket. */
  readonly address: string;
  readonly local: 'tcp' | 'unix';
  readonly port: number;
  readonly demand: TlsDemand;
  /** Names besides the one asked for that a certificate may have by DANE-TA. */
  readonly names: readonly string[];
  /** What the demand was made of; undefined: not asked. */
  readonly dane: DaneFacts | undefined;
  readonly implicitTls: boolean;
  readonly tlsOptions?: RouteTls | undefined;
  readonly credentials: Credentials | undefined;
  /** Absent: the handshake is a full one. */
  readonly resumption?: Resumption | undefined;
}

export type Opened =
  | { readonly kind: 'open'; readonly connection: SmtpConnection; readonly sourceAddress?: string | undefined }
  | {
      readonly kind: 'refused';
      readonly refusal: Refusal;
      /** The server was reached; it is a refused session and not a dead address. */
      readonly reached: boolean;
      /** The handshake failed where TLS is welcome and not needed: the same address may be tried in clear. */
      readonly handshakeFailed: boolean;
      /** Encryption was why; as reports name it. */
      readonly tlsResult: TlsResultType | undefined;
      /** Our own address, where it is known. */
      readonly sourceAddress?: string | undefined;
    };

export interface TransactionResult {
  readonly outcomes: readonly Outcome[];
  /** The connection was gone before the server took notice: the message may be begun anew on another. */
  readonly untouched: boolean;
}

interface OpenTransaction {
  readonly message: ClientMessage;
  readonly content: OutgoingContent;
  readonly outcomes: Outcome[];
  untouched: boolean;
  readonly resolve: (result: TransactionResult) => void;
}

export type ConnectionOptions = Pick<
  AgentOptions,
  'clock' | 'timers' | 'timeouts' | 'helloName' | 'source' | 'tls' | 'resumptions'
>;

/** Opens a session: connect, greeting, EHLO, TLS, login. */
export async function openConnection(target: Target, options: ConnectionOptions): Promise<Opened> {
  const resumption = resumptionFor(target, options);
  const opened = await openWith({ ...target, resumption }, options);
  const isToBlame = opened.kind === 'refused' && resumption?.isToBlame(opened.refusal.cause);
  return isToBlame === true ? openWith(target, options) : opened;
}

async function openWith(target: Target, options: ConnectionOptions): Promise<Opened> {
  const dialled = await dialSocket(target, options);
  if (dialled.kind === 'failed') return dialled.refused;
  // Asked now: a socket that is gone has none.
  const sourceAddress = dialled.socket.localAddress;
  const opened = new Promise<Opened>((resolve) => void new SmtpConnection(target, options, { dialled, resolve }));
  return { ...(await opened), sourceAddress };
}

export class SmtpConnection {
  readonly #target: Target;
  readonly #timeouts: DeliveryTimeouts;
  readonly #options: ConnectionOptions;
  readonly #client: SmtpClient;
  readonly #deadline: Deadline;
  readonly #total: Deadline;
  #socket: Socket;
  #tls: TlsProof | undefined;
  #opening: ((opened: Opened) => void) | undefined;
  #handshaking = false;
  #tlsResult: TlsResultType | undefined;
  #transaction: OpenTransaction | undefined;
  #answered: ((reply: Reply | undefined) => void) | undefined;
  #watched: { readonly wait: ClientWait | undefined; readonly heard: number } = { wait: undefined, heard: -1 };
  #closed = false;
  /** Replies until it was open. */
  #heardUntilOpen = -1;
  #drained: (() => void) | undefined;
  /** Why it closed; for the operator. */
  #reason = 'closed';
  #chunks: Chunks | undefined;
  /** How it is encrypted, as reports count it. */
  session: TlsSession | undefined;
  /** Called once when the connection is gone. */
  onClosed: (reason: string) => void = () => {};

  /** For `openConnection`. */
  constructor(
    target: Target,
    options: ConnectionOptions,
    start: { readonly dialled: Dialled; readonly resolve: (opened: Opened) => void },
  ) {
    this.#target = target;
    this.#options = options;
    this.#timeouts = options.timeouts;
    this.#opening = start.resolve;
    this.#socket = start.dialled.socket;
    this.#tls = start.dialled.tls;
    this.#deadline = new Deadline(options, () => this.#timedOut());
    this.#total = new Deadline(options, () => this.#lost('the session takes too long', '4.4.7'));
    this.#client = new SmtpClient({
      protocol: target.protocol,
      helloName: options.source?.helloName ?? options.helloName,
      peer: target.host,
      tls: wantedTls(target.demand, this.#tls),
      credentials: target.credentials,
      loopback: target.local === 'unix' || isLoopback(target.address),
    });
    start.dialled.incoming.listen((chunk) => this.#received(chunk));
    this.#listen(this.#socket);
    this.#total.set(this.#timeouts.total);
    this.#watch();
    if (this.#socket.destroyed) this.#lost('the connection was closed');
  }

  get proof(): Proof {
    const { protocol, host, address, local, port, dane, tlsOptions, credentials } = this.#target;
    const known = local === 'tcp' ? address : '';
    return { protocol, host, address: known, port, tls: this.#tls, dane, tlsOptions, credentials };
  }

  get offers(): Offers {
    return this.#client.offers;
  }

  /** A message may be begun. */
  get usable(): boolean {
    return !this.#closed && this.#client.ready && !this.#client.exhausted;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Keeps the content until it resolves. Only while `usable`. */
  deliver(message: ClientMessage, content: OutgoingContent): Promise<TransactionResult> {
    return new Promise((resolve) => {
      this.#transaction = { message, content, outcomes: [], untouched: true, resolve };
      this.#chunks = undefined;
      this.#total.set(this.#timeouts.total);
      this.#perform(this.#client.begin(message));
    });
  }

  /** One command of a caller that leads the transaction itself; undefined: the connection was lost. */
  ask(command: string): Promise<Reply | undefined> {
    if (this.#closed || !this.#client.ready) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#total.set(this.#timeouts.total);
      this.#perform(this.#client.ask(command));
    });
  }

  /** Content of such a caller, already as DATA carries it. Resolves when there is room for more, or all is lost. */
  async write(octets: Buffer): Promise<void> {
    if (this.#closed || this.#socket.write(octets)) return;
    this.#deadline.set(this.#timeouts.block);
    await this.#room();
    // Until the caller has more, nobody waits for the server.
    this.#deadline.set(undefined);
  }

  /** Says goodbye when it may, and closes. */
  end(): void {
    if (this.#closed) return;
    this.#reason = 'ended by us';
    this.#perform(this.#client.quit());
  }

  destroy(reason: string): void {
    this.#lost(reason, '4.3.0', 'local');
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#lost(`the connection failed: ${errorCode(error)}`));
    socket.on('end', () => this.#lost('the server closed the connection'));
    socket.on('close', () => this.#lost('the connection was closed'));
    socket.on('drain', () => this.#drained?.());
  }

  #received(chunk: Buffer): void {
    this.#perform(this.#client.receive(chunk));
  }

  #perform(actions: readonly ClientAction[]): void {
    if (actions.length > 1) this.#socket.cork();
    for (const action of actions) this.#act(action);
    if (actions.length > 1) this.#socket.uncork();
    this.#watch();
  }

  #act(action: ClientAction): void {
    switch (action.kind) {
      case 'send':
        this.#socket.write(action.octets, 'utf8');
        return undefined;
      case 'content':
        return this.#sendContent(action.framing);
      case 'outcome':
        if (this.#transaction !== undefined) this.#transaction.outcomes[action.index] = action.outcome;
        return undefined;
      case 'finished':
        return this.#finish();
      case 'startTls':
        return this.#handshake();
      case 'ready':
        return this.#opened({ kind: 'open', connection: this });
      case 'refused':
        return this.#refused(action.refusal);
      case 'answer':
        return this.#answer(action.reply);
      case 'close':
        return this.#close();
      default:
        return assertNever(action);
    }
  }

  #refused(refusal: Refusal): void {
    const handshakeFailed = this.#handshaking && refusal.cause !== 'protocol';
    const result = this.#tlsResult ?? (this.#handshaking ? 'validation-failure' : 'starttls-not-supported');
    const tlsResult = refusal.cause === 'tls' ? result : undefined;
    this.#opened({ kind: 'refused', refusal, reached: true, handshakeFailed, tlsResult });
  }

  #opened(opened: Opened): void {
    const resolve = this.#opening;
    this.#opening = undefined;
    this.#heardUntilOpen = this.#client.heard;
    this.#total.set(undefined);
    resolve?.(opened);
  }

  #answer(reply: Reply | undefined): void {
    const resolve = this.#answered;
    this.#answered = undefined;
    resolve?.(reply);
  }

  #finish(): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    this.#chunks = undefined;
    this.#total.set(undefined);
    transaction?.resolve({ outcomes: transaction.outcomes, untouched: transaction.untouched });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadline.stop();
    this.#total.stop();
    // By TLS's own goodbye where all is said: without it OpenSSL 3 forgets the session that we might resume.
    if (this.#reason === 'ended by us') this.#socket.destroySoon();
    else this.#socket.destroy();
    this.#drained?.();
    this.#answer(undefined);
    this.onClosed(this.#reason);
  }

  #lost(text: string, status: Loss['status'] = '4.4.2', cause: Loss['cause'] = 'connection'): void {
    if (this.#closed) return;
    // Open, and gone without another word.
    if (this.#client.heard === this.#heardUntilOpen) this.#target.resumption?.isToBlame(cause);
    this.#reason = text;
    if (this.#transaction !== undefined) this.#transaction.untouched = this.#client.untouched;
    const why: Loss =
      this.#handshaking && cause === 'connection' ? { cause: 'tls', status: '4.7.5', text } : { cause, status, text };
    this.#perform(this.#client.lost(why));
    // A machine that closed itself has nothing more to say, and the socket must still go.
    this.#close();
  }

  #timedOut(): void {
    const waits: Readonly<Record<ClientWait, string>> = {
      greeting: 'greeting',
      command: 'reply to a command',
      data: 'reply to DATA',
      final: 'reply to the content',
      content: 'room for more content',
      handshake: 'TLS handshake',
    };
    const wait = this.#client.waitsFor;
    this.#lost(`timed out waiting for the server's ${wait === undefined ? 'close' : waits[wait]}`);
  }

  /** Moves the deadline when something new is awaited, or a whole reply has come. */
  #watch(): void {
    if (this.#closed) return;
    const wait = this.#client.waitsFor;
    const heard = this.#client.heard;
    if (wait === this.#watched.wait && heard === this.#watched.heard) return;
    this.#watched = { wait, heard };
    this.#deadline.set(wait === undefined ? undefined : this.#timeoutFor(wait));
  }

  #timeoutFor(wait: ClientWait): number {
    if (this.#reason === 'ended by us') return this.#timeouts.quit;
    return this.#timeouts[wait === 'content' ? 'block' : wait];
  }

  #handshake(): void {
    this.#handshaking = true;
    const raw = this.#socket;
    raw.removeAllListeners();
    raw.on('error', () => {}); // It comes by the TLS socket too.
    const secure = startTls(raw, this.#target, this.#options);
    this.#socket = secure;
    this.#listen(secure);
    secure.once('secureConnect', () => this.#secured(secure));
  }

  #secured(secure: TLSSocket): void {
    if (this.#closed) return;
    const { tls, trouble } = checkTls(secure, this.#target, this.#options);
    this.#tlsResult = trouble?.result;
    if (trouble !== undefined) return this.#lost(trouble.text, '4.7.5', 'tls');
    this.#tls = tls;
    this.#handshaking = false;
    return this.#perform(this.#client.secured());
  }

  #sendContent(framing: 'data' | 'bdat'): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const { memory, wire } = transaction.content;
    if (framing === 'data' && wire !== undefined) {
      this.#socket.write(wire);
      return this.#perform(this.#client.contentSent());
    }
    if (framing === 'data' && memory !== undefined && memory.length <= MAX_CHUNK_OCTETS) return this.#sendAll(memory);
    if (framing === 'bdat' && memory !== undefined && memory.length <= MAX_CHUNK_OCTETS)
      return this.#sendChunk(memory, 'last');
    const sending = framing === 'data' ? this.#stream(transaction.content) : this.#nextChunk(transaction.content);
    // Reading the content is all that can fail: writing reports to the socket's listeners.
    sending.catch((error: unknown) => this.#lost(`the content cannot be read: ${errorCode(error)}`, '4.3.0', 'local'));
  }

  #sendAll(octets: Buffer): void {
    const encoder = new DataEncoder();
    this.#socket.cork(); // One write for the content and its end.
    this.#socket.write(encoder.push(octets));
    this.#socket.write(encoder.end());
    this.#socket.uncork();
    this.#perform(this.#client.contentSent());
  }

  #sendChunk(octets: Buffer, last: 'last' | 'more'): void {
    this.#socket.write(this.#client.chunk(octets.length, last), 'latin1');
    this.#socket.write(octets);
  }

  /** In writes of some blocks each: what comes in small pieces costs no system call for each of them. */
  async #stream(content: OutgoingContent): Promise<void> {
    if ((content.block ?? GATHERED_OCTETS) < GATHERED_OCTETS) return this.#trickle(content);
    const encoder = new DataEncoder(content.form);
    const socket = this.#socket;
    let gathered = 0;
    socket.cork();
    try {
      for await (const block of content.blocks()) {
        if (this.#client.waitsFor !== 'content') return;
        const hasRoom = socket.write(encoder.push(block));
        gathered += block.length;
        if (hasRoom || gathered < GATHERED_OCTETS) continue;
        gathered = 0;
        socket.uncork();
        await this.#drain();
        socket.cork();
      }
      if (this.#client.waitsFor !== 'content') return;
      // Its end is out, and so is all before it.
      socket.write(encoder.end(), (error) => (error ? undefined : content.done?.()));
    } finally {
      socket.uncork();
    }
    this.#perform(this.#client.contentSent());
  }

  /** Where memory is short: what is written before the system has what was written earlier only fills memory. */
  async #trickle(content: OutgoingContent): Promise<void> {
    const encoder = new DataEncoder(content.form);
    for await (const block of content.blocks()) {
      if (this.#client.waitsFor !== 'content') return;
      this.#deadline.set(this.#timeouts.block);
      await this.#taken(encoder.push(block));
    }
    if (this.#client.waitsFor !== 'content') return;
    this.#socket.write(encoder.end());
    this.#perform(this.#client.contentSent());
  }

  #taken(octets: Buffer): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.#socket.write(octets, () => resolve());
    });
  }

  async #drain(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    this.#deadline.set(this.#timeouts.block);
    await this.#room();
  }

  async #nextChunk(content: OutgoingContent): Promise<void> {
    this.#chunks ??= { blocks: content.blocks(), sent: 0 };
    const chunks = this.#chunks;
    const { value } = await chunks.blocks.next();
    const block = value ?? Buffer.alloc(0);
    if (this.#client.waitsFor !== 'content') return;
    chunks.sent += block.length;
    const last = chunks.sent >= content.octets || value === undefined;
    this.#sendChunk(block, last ? 'last' : 'more');
    if (last) this.#chunks = undefined;
    this.#watch();
    // Ends the generator, and with it the open file.
    if (last) await chunks.blocks.return();
  }

  #room(): Promise<void> {
    if (this.#closed || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = undefined;
        resolve();
      };
    });
  }
}

interface Chunks {
  readonly blocks: AsyncGenerator<Buffer, void, undefined>;
  sent: number;
}
