/**
 * What TLSA records compare of a certificate, octet for octet as it was sent (RFC 6698 §2.1.2), and links of a chain.
 *
 * The key is cut out of the certificate and not written anew: another encoding of the same key has another digest.
 */

import { type X509Certificate } from 'node:crypto';

const SEQUENCE = 0x30;
const VERSION = 0xa0;
/** Serial number, signature algorithm, issuer, validity, subject. */
const BEFORE_KEY = 5;

/** Its SubjectPublicKeyInfo; undefined: it is no certificate. */
export function publicKeyInfoOf(certificate: Buffer): Buffer | undefined {
  const outer = element(certificate, 0);
  const signed = outer?.tag === SEQUENCE ? element(certificate, outer.content) : undefined;
  if (signed?.tag !== SEQUENCE) return undefined;
  const parts = partsOf(certificate, signed, BEFORE_KEY + 2);
  const key = parts[parts[0]?.tag === VERSION ? BEFORE_KEY + 1 : BEFORE_KEY];
  return key?.tag === SEQUENCE ? certificate.subarray(key.begin, key.end) : undefined;
}

function partsOf(octets: Buffer, { content, end }: Element, most: number): readonly Element[] {
  const parts: Element[] = [];
  let at = content;
  while (at < end && parts.length < most) {
    const part = element(octets, at);
    if (part === undefined || part.end > end) break;
    parts.push(part);
    at = part.end;
  }
  return parts;
}

interface Element {
  readonly tag: number;
  readonly begin: number;
  readonly content: number;
  readonly end: number;
}

/** One DER element that lies wholly within the octets: tag, length, content. */
function element(octets: Buffer, at: number): Element | undefined {
  const tag = octets[at];
  const short = octets[at + 1];
  if (tag === undefined || short === undefined) return undefined;
  if (short < 0x80) return within(octets, { tag, begin: at, content: at + 2, end: at + 2 + short });
  const size = short & 0x7f;
  // Four octets of length are more than any certificate that TLS carries.
  if (size === 0 || size > 4 || at + 2 + size > octets.length) return undefined;
  const content = at + 2 + size;
  return within(octets, { tag, begin: at, content, end: content + octets.readUIntBE(at + 2, size) });
}

function within(octets: Buffer, found: Element): Element | undefined {
  return found.end <= octets.length ? found : undefined;
}

/**
 * The issuer signed the certificate, and may sign certificates. Which of them the peer sent after which says nothing.
 * Path lengths and name constraints are not looked at.
 */
export function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && signedBy(certificate, issuer);
}

function signedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    // A key of a kind that OpenSSL does not know: then nothing is signed by it.
    return false;
  }
}

export function isValidAt(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime();
}
