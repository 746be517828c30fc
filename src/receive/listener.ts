/**
 * Accepts connections at one address, and makes a session of each that is within the limits.
 *
 * A connection that may not be served is told why (421) and closed; it never reaches a session. Behind a listed proxy
 * the PROXY header is awaited before anything is said, and the client it names is the one that counts.
 *
 * Draining accepts until the backlog is empty, since a closed listener resets what waits in it: each gets 421.
 * Everything but the address can be changed while it listens; sessions keep what they began with.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { type Duration, MINUTE, SECOND } from '../lib/time.ts';
import { formatReply, type Reply, reply } from '../mail/reply.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timers } from '../ports/timers.ts';
import { ProxyHeader, type ProxySource } from '../wire/proxy-protocol.ts';
import { type ReplyName, type ServerOptions } from '../wire/smtp/server.ts';
import { type ServerContext } from './certificate-choice.ts';
import { clientKey, type ConnectionCounts } from './limits.ts';
import { serveSession, type Session } from './smtp-session.ts';
import { type Deadlines, DEFAULT_TIMEOUTS, type Timeouts } from './timeouts.ts';
import { type Peer, type Receiver } from './transaction.ts';

export type Client = Pick<Peer, 'address' | 'port' | 'listener'>;

export interface ListenerOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Several threads listen at the same address, and the system shares out. */
  readonly reusePort: boolean;
  readonly implicitTls: boolean;
  /** From these, a PROXY header must come first. */
  readonly proxyNetworks: { contains(address: string): boolean };
  readonly makeReceiver: (client: Client) => Receiver;
  readonly machine: ServerOptions;
  /** Over all threads. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly counts: ConnectionCounts;
  /** Shared by all sessions of a thread. */
  readonly deadlines: Deadlines;
  readonly timers: Timers;
  readonly timeouts?: Timeouts;
  readonly clock: Clock;
  readonly log: Log;
  /** Asked anew for each session. Absent: no TLS. */
  readonly secureContext?: () => ServerContext | undefined;
  readonly onRejected: (rejected: RejectedConnection) => void;
  readonly onReply?: (reply: Reply, name: ReplyName | undefined) => void;
}

export interface RejectedConnection {
  readonly client: Client;
  readonly why: Rejection;
  readonly reply: Reply | undefined;
}

export type Rejection = 'tooManyConnections' | 'tooManyFromAddress' | 'draining' | 'badProxyHeader';

export interface ListenerFigures {
  readonly connections: number;
  readonly busy: number;
  readonly accepted: number;
  readonly rejected: Readonly<Record<Rejection, number>>;
}

const REPLIES: Readonly<Record<Exclude<Rejection, 'badProxyHeader'>, Reply>> = {
  tooManyConnections: reply(421, '4.3.2', 'Too many connections, try again later'),
  tooManyFromAddress: reply(421, '4.7.0', 'Too many connections from your address'),
  draining: reply(421, '4.3.2', 'Shutting down, try again'),
};

/** After this long without a new connection the backlog is taken for empty. */
const BACKLOG_QUIET = 50;
/** Clients that come without a pause must not keep it open. */
const BACKLOG_MOST = 2 * SECOND;
const BACKLOG = 511;

export class Listener {
  readonly #server: Server;
  #options: ListenerOptions;
  readonly #sessions = new Set<Session>();
  /** Connections that are not sessions: a PROXY header is awaited, or a refusal on its way. */
  readonly #others = new Set<Socket>();
  readonly #rejected: Record<Rejection, number> = {
    tooManyConnections: 0,
    tooManyFromAddress: 0,
    draining: 0,
    badProxyHeader: 0,
  };
  #accepted = 0;
  #drained: Promise<void> | undefined;
  /** The backlog is being emptied: connections that came since this was last looked at. */
  #recent = 0;
  #lastError = -Infinity;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    this.#server.on('connection', (socket) => this.#connected(socket));
  }

  /** Where it listens. Rejects when it cannot. */
  async open(): Promise<{ readonly address: string; readonly port: number }> {
    const { host, port, reusePort } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port, reusePort, backlog: BACKLOG }, resolve);
    await promise;
    this.#server.off('error', reject);
    this.#server.on('error', (error) => this.#acceptFailed(error));
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error(`listening at ${String(bound)}`);
    return { address: bound.address, port: bound.port };
  }

  figures(): ListenerFigures {
    const busy = [...this.#sessions].filter((session) => session.busy).length;
    const connections = this.#sessions.size + this.#others.size;
    return { connections, busy, accepted: this.#accepted, rejected: { ...this.#rejected } };
  }

  /** For connections that come from now on. The address stays: another one is another listener. */
  reconfigure(options: ListenerOptions): void {
    const { host, port } = this.#options;
    if (options.host !== host || options.port !== port) throw new Error('a listener cannot change its address');
    this.#options = options;
  }

  /**
   * Takes no more mail. Transactions in flight may end within the time; after it, everything is cut. Never rejects.
   * Once more: within the shorter of the times.
   */
  async drain(within: Duration): Promise<void> {
    const cut = this.#options.timers.after(within, () => this.#destroyAll());
    this.#drained ??= this.#end(within);
    await this.#drained;
    cut.cancel();
  }

  async #end(within: Duration): Promise<void> {
    for (const session of this.#sessions) session.drain();
    await this.#emptyBacklog(Math.min(within, BACKLOG_MOST));
    const closed = Promise.withResolvers<void>();
    // An error here means that it was not open.
    this.#server.close(() => closed.resolve());
    await Promise.all([...this.#sessions].map((session) => session.done));
    // They have been told; whether they have read it is their affair.
    for (const socket of this.#others) socket.destroy();
    await closed.promise;
  }

  async #emptyBacklog(within: Duration): Promise<void> {
    const { clock, timers } = this.#options;
    const until = clock.monotonic() + within;
    do {
      this.#recent = 0;
      await new Promise<void>((resolve) => timers.after(BACKLOG_QUIET, resolve));
      // A thread that was held up runs its timers before it looks at what came meanwhile.
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (this.#recent > 0 && clock.monotonic() < until);
  }

  #destroyAll(): void {
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#others) socket.destroy();
  }

  /** Out of descriptors, mostly. The system has dropped the connection; once a minute somebody is told. */
  #acceptFailed(error: Error): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#lastError < MINUTE) return;
    this.#lastError = now;
    this.#options.log.error('cannot accept connections', { listener: this.#options.name, reason: error.message });
  }

  #connected(socket: Socket): void {
    this.#accepted += 1;
    this.#recent += 1;
    // Whatever happens to it before it is a session, it ends in `close`.
    socket.on('error', () => socket.destroy());
    const { remoteAddress, remotePort } = socket;
    // Gone already.
    if (remoteAddress === undefined) return void socket.destroy();
    if (this.#options.proxyNetworks.contains(remoteAddress)) return this.#awaitProxyHeader(socket, remoteAddress);
    return this.#admit(socket, { address: remoteAddress, port: remotePort ?? 0, listener: this.#options.name });
  }

  #awaitProxyHeader(socket: Socket, proxy: string): void {
    const { greeting } = this.#options.timeouts ?? DEFAULT_TIMEOUTS;
    const header = new ProxyHeader();
    const self: Client = { address: proxy, port: socket.remotePort ?? 0, listener: this.#options.name };
    const deadline = this.#options.deadlines.after(greeting, () => finish('no PROXY header in time'));
    const onData = (chunk: Buffer): void => {
      const step = header.push(chunk);
      if (step.kind === 'bad') finish(step.reason);
      if (step.kind === 'header') finish(step.source, step.rest);
    };
    const finish = (result: string | ProxySource | undefined, rest?: Buffer): void => {
      deadline.cancel();
      socket.off('data', onData);
      socket.pause();
      this.#others.delete(socket);
      if (typeof result === 'string') return this.#badProxyHeader(socket, self, result);
      if (rest !== undefined && rest.length > 0) socket.unshift(rest);
      return this.#admit(socket, { ...self, ...result });
    };
    this.#others.add(socket);
    socket.on('close', () => {
      deadline.cancel();
      this.#others.delete(socket);
    });
    socket.on('data', onData);
    // Half a header is none.
    socket.once('end', () => this.#others.has(socket) && finish('no PROXY header'));
    socket.resume();
  }

  #badProxyHeader(socket: Socket, client: Client, reason: string): void {
    this.#rejected.badProxyHeader += 1;
    this.#options.log.warn('bad PROXY header', { listener: this.#options.name, reason });
    this.#options.onRejected({ client, why: 'badProxyHeader', reply: undefined });
    socket.destroy();
  }

  #admit(socket: Socket, client: Client): void {
    if (this.#drained !== undefined) return this.#reject(socket, client, 'draining');
    const { counts, maxConnections, maxConnectionsPerAddress } = this.#options;
    const keys = [`listener/${this.#options.name}`, `${this.#options.name}/${clientKey(client.address)}`] as const;
    const [total, same] = [counts.add(keys[0]), counts.add(keys[1])];
    const release = (): void => {
      for (const key of keys) counts.remove(key);
    };
    if (total <= maxConnections && same <= maxConnectionsPerAddress) return this.#serve(socket, client, release);
    release();
    return this.#reject(socket, client, total > maxConnections ? 'tooManyConnections' : 'tooManyFromAddress');
  }

  #serve(socket: Socket, client: Client, release: () => void): void {
    const { machine, implicitTls, makeReceiver, secureContext, timeouts, onReply, ...shared } = this.#options;
    const session = serveSession(socket, {
      machine,
      receiver: makeReceiver(client),
      peer: client,
      deadlines: shared.deadlines,
      clock: shared.clock,
      log: shared.log,
      tls: implicitTls ? 'implicit' : 'starttls',
      ...(timeouts === undefined ? {} : { timeouts }),
      ...(secureContext === undefined ? {} : { secureContext }),
      ...(onReply === undefined ? {} : { onReply }),
    });
    this.#sessions.add(session);
    void session.done.then(() => {
      this.#sessions.delete(session);
      release();
    });
  }

  /** Before TLS there is nobody to talk to: there the connection is just closed. */
  #reject(socket: Socket, client: Client, why: Exclude<Rejection, 'badProxyHeader'>): void {
    this.#rejected[why] += 1;
    const said = this.#options.implicitTls ? undefined : REPLIES[why];
    this.#options.onRejected({ client, why, reply: said });
    if (said === undefined) return void socket.destroy();
    this.#others.add(socket);
    // Only so long as it takes to read one line: refusals must be cheaper than what they refuse.
    const deadline = this.#options.deadlines.after(SECOND, () => socket.destroy());
    socket.once('close', () => {
      deadline.cancel();
      this.#others.delete(socket);
    });
    // What it sends is read and dropped, or the system would cut the connection before the reply is read.
    socket.resume();
    socket.end(formatReply(said));
    return undefined;
  }
}
