/** TLS on an accepted socket, whether from its first octet or after STARTTLS. */

import { type X509Certificate } from 'node:crypto';
import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { askedName } from '../wire/tls/client-hello.ts';
import { type ServerContext } from './certificate-choice.ts';

// RFC 7301; no protocol of ours but this is ever spoken on these ports (CVE-2021-3618).
const ALPN_SMTP = 'smtp';

/**
 * Gives the context for the name that the client asks for, once its first message is there; what was read is in the socket
 * again. With one certificate for everybody it is given at once. Nothing is given to a socket that ends before.
 */
export function chooseContext(plain: Socket, usual: ServerContext, then: (context: ServerContext) => void): void {
  const { byName } = usual;
  if (byName === undefined) return then(usual);
  let octets: Buffer = Buffer.alloc(0);
  const onEnd = (): void => void plain.destroy();
  const onData = (chunk: Buffer): void => {
    octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
    const asked = askedName(octets);
    if (asked.kind === 'more') return;
    plain.pause();
    plain.off('data', onData).off('end', onEnd);
    plain.unshift(octets);
    then((asked.name === undefined ? undefined : byName(asked.name)) ?? usual);
  };
  plain.on('data', onData).once('end', onEnd);
  plain.resume();
}

/** Emits `secure` once TLS is there. Octets that were read before go into the handshake, never to SMTP. */
export function secureServerSocket(plain: Socket, context: ServerContext): TLSSocket {
  const options = {
    isServer: true,
    secureContext: context,
    // A client that asks for another protocol by name is refused; one that asks for none is not.
    ALPNCallback: ({ protocols }: { protocols: string[] }) => (protocols.includes(ALPN_SMTP) ? ALPN_SMTP : undefined),
    // Whoever shows none, or one of another authority, is a client like any other: who may log in is asked later.
    ...(context.asksClient === true && { requestCert: true, rejectUnauthorized: false }),
  };
  const secured = new TLSSocket(plain, options);
  // Node destroys the socket for errors of the handshake, and tells of later ones by this event alone.
  secured.on('_tlsError', () => secured.destroy());
  secured.once('secure', () => secured.disableRenegotiation());
  return secured;
}

/** `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
export function tlsFacts(socket: TLSSocket): string {
  return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher().standardName}`;
}

/**
 * The certificate that the client has shown, if one of the authorities of `tls.clientCa` vouches for it now: with TLS it
 * has proved that it has the key. Undefined: none was asked for, none was shown, or nobody vouches for it.
 */
export function clientCertificate(socket: TLSSocket): X509Certificate | undefined {
  const shown = socket.getPeerX509Certificate();
  return shown !== undefined && verifyErrorOf(socket) === null ? shown : undefined;
}

/** Node judges the chain in every handshake, but tells sockets that have no `tls.Server` only by their handle. */
function verifyErrorOf(socket: TLSSocket): unknown {
  const { _handle: handle } = socket as { readonly _handle?: { verifyError?: () => unknown } | null };
  return typeof handle?.verifyError === 'function' ? handle.verifyError() : 'unknown';
}
