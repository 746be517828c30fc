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
  if (certificate.subjectaltname === undefined) return new NoAltName();
  // Alternative names of other kinds, such as `email:`, would leave the common name to decide.
  return checkServerIdentity(host, { ...certificate, subject: { ...certificate.subject, CN: '' } });
}
