/** Makes the sockets of outgoing sessions: dialling, and TLS on top (RFC 3207, or from the first octet). */

import { type X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, isIPv6, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { errorCode } from '../../lib/error-text.ts';
import { checkDane, type DaneResult } from '../../tlspolicy/dane.ts';
import { checkHostName } from '../../tlspolicy/host-name.ts';
import { Deadline } from '../deadline.ts';
import { type ConnectionOptions, type Opened, type Target } from './connection.ts';
import { type TlsResultType } from '../../mail/tls-result.ts';
import { contextFor, isPinned } from './handshake.ts';
import { type TlsProof } from './proof.ts';
import { countHandshake } from './resumption.ts';
import { type TlsTrouble, troubleOf } from './session-policy.ts';

export interface Dialled {
  readonly kind: 'dialled';
  readonly socket: Socket;
  readonly tls: TlsProof | undefined;
  /** What comes in clear, in place of the socket's `data` events; with TLS nothing does. */
  readonly incoming: Incoming;
}

/**
 * Octets as they are read, copied out of memory that all connections of a thread share: a reply is short, and an array
 * buffer for each costs more than all that is done with it. What comes before somebody listens is kept.
 */
export class Incoming {
  #taker: ((chunk: Buffer) => void) | undefined;
  #early: Buffer[] = [];

  listen(taker: (chunk: Buffer) => void): void {
    this.#taker = taker;
    for (const chunk of this.#early.splice(0)) taker(chunk);
  }

  take(chunk: Uint8Array): void {
    const copy = Buffer.from(chunk);
    if (this.#taker === undefined) this.#early.push(copy);
    else this.#taker(copy);
  }
}

const READ_OCTETS = 65_536;
let shared: Uint8Array | undefined;

/** A server may not fill our memory before anybody listens: there is one turn of the event loop between. */
function reading(incoming: Incoming) {
  return {
    buffer: (shared ??= Buffer.allocUnsafeSlow(READ_OCTETS)),
    callback: (octets: number, buffer: Uint8Array): boolean => {
      incoming.take(buffer.subarray(0, octets));
      return true;
    },
  };
}

type Dial = Dialled | { readonly kind: 'failed'; readonly refused: Opened };

export function dialSocket(target: Target, options: ConnectionOptions): Promise<Dial> {
  return new Promise((resolve) => {
    let reached = false;
    const incoming = new Incoming();
    const socket = connectTo(target, options, incoming);
    const deadline = new Deadline(options, () => fail(`no connection within ${options.timeouts.connect} ms`));
    const done = (dial: Dial): void => {
      deadline.stop();
      socket.removeAllListeners();
      socket.on('error', () => {}); // Its next owner listens from the next line on.
      if (dial.kind === 'dialled' && dial.tls !== undefined) target.resumption?.listen(socket as TLSSocket);
      if (dial.kind === 'failed') socket.destroy();
      resolve(dial);
    };
    const fail = (text: string): void =>
      done({ kind: 'failed', refused: refusedBy(target, text, { reached, result: 'validation-failure' }) });
    deadline.set(options.timeouts.connect);
    socket.once('error', (error) => fail(errorCode(error)));
    socket.once('close', () => fail('the connection was closed'));
    socket.once('connect', () => {
      reached = true;
      if (target.implicitTls) deadline.set(options.timeouts.handshake);
      else done({ kind: 'dialled', socket, tls: undefined, incoming });
    });
    socket.once('secureConnect', () => {
      const { tls, trouble } = checkTls(socket as TLSSocket, target, options);
      if (trouble === undefined) done({ kind: 'dialled', socket, tls, incoming });
      else done({ kind: 'failed', refused: refusedBy(target, trouble.text, { reached, result: trouble.result }) });
    });
  });
}

export function startTls(socket: Socket, target: Target, options: ConnectionOptions): TLSSocket {
  const secure = connectTls({ socket, ...tlsOptions(target, options), ...target.resumption?.offer() });
  target.resumption?.listen(secure);
  return secure;
}

/** What the handshake proved, and why that is not enough. */
export function checkTls(
  socket: TLSSocket,
  target: Target,
  options: ConnectionOptions,
): { readonly tls: TlsProof; readonly trouble: TlsTrouble | undefined } {
  const { resumption, demand, host } = target;
  if (resumption === undefined) countHandshake('full');
  const resumed = resumption?.proofOf(socket);
  const tls = resumed ?? tlsProof(socket, target, options);
  const trouble = troubleOf(tls, demand, host);
  if (resumed === undefined && trouble === undefined) resumption?.established(tls, certifiedUntil(socket, tls));
  return { tls, trouble };
}

/** Nothing that was proved ends where nothing was. */
function certifiedUntil(socket: TLSSocket, { verified }: TlsProof): number {
  if (!verified) return Infinity;
  return Math.min(...sentCertificates(socket).map(({ validToDate }) => validToDate.getTime()));
}

/** `authorized` includes the name: the check uses the host that was dialled. */
function tlsProof(socket: TLSSocket, target: Target, { clock }: ConnectionOptions): TlsProof {
  const pinned = target.tlsOptions && isPinned(socket.getPeerX509Certificate(), target.tlsOptions);
  const verified = pinned ?? socket.authorized;
  return {
    name: `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher().standardName}`,
    verified,
    ...(pinned === undefined ? {} : { pinned }),
    error: verified ? undefined : errorOf(socket, pinned),
    dane: target.demand.records.length === 0 ? undefined : daneResult(socket, target, clock.now()),
  };
}

function errorOf({ authorizationError }: TLSSocket, pinned: boolean | undefined): string {
  return pinned === false ? 'it has none of the fingerprints of the route' : errorCode(authorizationError);
}

function daneResult(socket: TLSSocket, { demand, names }: Target, now: number): DaneResult {
  return checkDane(demand.records, sentCertificates(socket), {
    names: [...new Set([demand.serverName, ...names])],
    now,
  });
}

/** More than any server needs; Node gives them in the order in which they came, whatever their property is called. */
const MAX_CERTIFICATES = 10;

function sentCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const sent: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && sent.length < MAX_CERTIFICATES) {
    sent.push(next);
    next = next.issuerCertificate;
  }
  return sent;
}

function connectTo(target: Target, options: ConnectionOptions, incoming: Incoming): Socket {
  const onread = reading(incoming);
  if (target.local === 'unix') return connectTcp({ path: target.address, onread });
  const { address4, address6 } = options.source ?? {};
  const localAddress = isIPv6(target.address) ? address6 : address4;
  const to = {
    host: target.address,
    port: target.port,
    noDelay: true,
    ...(localAddress === undefined ? {} : { localAddress }),
  };
  if (!target.implicitTls) return connectTcp({ ...to, onread });
  const secure = connectTls({
    ...to,
    ...tlsOptions(target, options),
    ...target.resumption?.offer(),
    host: target.address,
  });
  target.resumption?.listen(secure);
  return secure;
}

/**
 * The certificate is checked but never refused by Node: what it proved is a fact of the connection, and
 * whether that is enough is decided by who knows what is wanted.
 */
function tlsOptions({ host, demand: { serverName }, tlsOptions: route }: Target, { tls }: ConnectionOptions) {
  return {
    // RFC 6066 §3: an IP address is no server name.
    ...(isIP(host) === 0 ? { servername: serverName } : { host }),
    // RFC 7672 §8.1: where the TLSA records are found is asked for; what is checked by name is the host.
    checkServerIdentity: (_: string, certificate: PeerCertificate) => checkHostName(host, certificate),
    rejectUnauthorized: false,
    secureContext: contextFor(route, tls),
  };
}

function refusedBy(
  { address, host, implicitTls }: Target,
  text: string,
  { reached, result }: { readonly reached: boolean; readonly result: TlsResultType },
): Opened {
  const tls = reached && implicitTls;
  return {
    kind: 'refused',
    reached,
    handshakeFailed: false,
    tlsResult: tls ? result : undefined,
    refusal: {
      kind: 'transient',
      stage: tls ? 'tls' : 'greeting',
      status: tls ? '4.7.5' : '4.4.1',
      diagnostic: `postrider: connect to ${host === address ? host : `${host} (${address})`}: ${text}`,
      cause: tls ? 'tls' : 'connection',
    },
  };
}
