/** Whether a certificate is for a host: by an alternative name. A common name is none (RFC 8461 §4.1, RFC 9525 §2). */

import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Has the code that Node gives a certificate for another name. */
export class NoAltName extends Error {
  readonly code = 'ERR_TLS_CERT_ALTNAME_INVALID';

  constructor() {
    super('it has no alternative name');
  }
}

/** What Node is to ask in the place of its own check, which falls back on the common name; undefined: it is for the host. */
export function checkHostName(host: string, certificate: PeerCertificate): Error | undefined {
  return certificate.subjectaltname === undefined ? new NoAltName() : checkServerIdentity(host, certificate);
}
