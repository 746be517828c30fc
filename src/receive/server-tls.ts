/** TLS on an accepted socket, whether from its first octet or after STARTTLS. */

import { type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';

// RFC 7301; no protocol of ours but this is ever spoken on these ports (CVE-2021-3618).
const ALPN_SMTP = 'smtp';

/** Emits `secure` once TLS is there. Octets that were read before go into the handshake, never to SMTP. */
export function secureServerSocket(plain: Socket, secureContext: SecureContext): TLSSocket {
  const options = {
    isServer: true,
    secureContext,
    // A client that asks for another protocol by name is refused; one that asks for none is not.
    ALPNCallback: ({ protocols }: { protocols: string[] }) => (protocols.includes(ALPN_SMTP) ? ALPN_SMTP : undefined),
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
