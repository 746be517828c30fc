/**
 * Whom a client's certificate logs in (SASL EXTERNAL). That somebody vouches for the certificate, and that the client has
 * its key, has been found in the handshake; here is only what it says.
 */

import { type X509Certificate } from 'node:crypto';

export interface ClientUsers {
  /** Where the user's name is read; undefined: nowhere. */
  readonly from: 'address' | 'commonName' | undefined;
  /** By SHA-256 of the certificate, 64 hexadecimal digits: whatever it says. */
  readonly byFingerprint: ReadonlyMap<string, string>;
}

/** One entry of a subjectAltName as Node writes it; what would be ambiguous is in quotes, and nobody's name here. */
const ALT_NAME = /(?:^|, )([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

/** All that it may log in as; none: it is nobody's. */
export function usersOf(certificate: X509Certificate, { from, byFingerprint }: ClientUsers): readonly string[] {
  const listed = byFingerprint.get(certificate.fingerprint256.replaceAll(':', '').toLowerCase());
  if (listed !== undefined) return [listed];
  if (from === 'address') return addressesOf(certificate);
  return from === 'commonName' ? commonNameOf(certificate) : [];
}

/** Who logs in, given whom the client wants to act as. A certificate with several names must say which. */
export function userOf(
  certificate: X509Certificate | undefined,
  users: ClientUsers | undefined,
  wanted: string | undefined,
): string | undefined {
  if (certificate === undefined || users === undefined) return undefined;
  const all = usersOf(certificate, users);
  if (wanted !== undefined) return all.includes(wanted) ? wanted : undefined;
  return all.length === 1 ? all[0] : undefined;
}

/** Each is asked of OpenSSL again, so that nothing in a certificate is taken for a name because of how it is written. */
function addressesOf(certificate: X509Certificate): readonly string[] {
  const entries = [...(certificate.subjectAltName ?? '').matchAll(ALT_NAME)];
  const addresses = entries.flatMap(([, kind, value = '']) => (kind === 'email' && value !== '' ? [value] : []));
  return [...new Set(addresses)].filter((address) => certificate.checkEmail(address, { subject: 'never' }) === address);
}

function commonNameOf(certificate: X509Certificate): readonly string[] {
  const { subject } = certificate.toLegacyObject() as { readonly subject?: { readonly CN?: unknown } };
  const name = subject?.CN;
  return typeof name === 'string' && name !== '' ? [name] : [];
}
