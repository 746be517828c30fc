/**
 * DANE for SMTP: whether the certificates of a server match the TLSA records of its name (RFC 7672 §3, RFC 7671).
 *
 * DANE-EE (3) compares the server's own certificate and nothing else: neither names nor dates count. DANE-TA (2) wants a
 * chain from the server's certificate to one that the record names, each link verified here, in force today, and a name
 * of the server in it. PKIX-TA (0) and PKIX-EE (1) are not for SMTP and count as unusable, as does what nobody can read.
 *
 * Of digests by the same usage and selector only the strongest counts (RFC 7671 §9). Leaves out: revocation, path
 * lengths, name constraints.
 */

import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type TlsResultType } from '../mail/tls-result.ts';
import { type TlsaRecord } from '../ports/resolver.ts';
import { isValidAt, issued, publicKeyInfoOf } from './certificate.ts';

export type DaneResult =
  /** `names`: of those asked for, the ones in a certificate that a trust anchor vouches for; absent where none counts. */
  | { readonly kind: 'matched'; readonly record: TlsaRecord; readonly names?: readonly string[] }
  | { readonly kind: 'failed'; readonly result: TlsResultType; readonly reason: string };

export interface DaneContext {
  /** One of them must be in the certificate that a trust anchor vouches for. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

const TRUST_ANCHOR = 2;
const END_ENTITY = 3;
const WHOLE = 0;
const KEY = 1;
const FULL = 0;
/** Octets of a digest, by matching type. A higher type is a stronger digest. */
const DIGESTS: Readonly<Record<number, { readonly name: string; readonly octets: number }>> = {
  1: { name: 'sha256', octets: 32 },
  2: { name: 'sha512', octets: 64 },
};
/** No chain is longer, and none is searched further. */
const MAX_CERTIFICATES = 10;
const MAX_RECORDS = 20;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** The records that can be checked, without those that a stronger digest makes needless. */
export function usableRecords(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const usable = records.slice(0, MAX_RECORDS).filter(isUsable);
  const strongest = new Map<string, number>();
  for (const { usage, selector, matchingType } of usable) {
    const key = `${usage} ${selector}`;
    strongest.set(key, Math.max(matchingType, strongest.get(key) ?? FULL));
  }
  return usable.filter(
    ({ usage, selector, matchingType }) =>
      matchingType === FULL || matchingType === strongest.get(`${usage} ${selector}`),
  );
}

function isUsable({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if (usage !== TRUST_ANCHOR && usage !== END_ENTITY) return false;
  if (selector !== WHOLE && selector !== KEY) return false;
  if (matchingType !== FULL) return DIGESTS[matchingType]?.octets === data.length;
  return selector === WHOLE ? certificateOf(data) !== undefined : keyOf(data) !== undefined;
}

/** `sent`: the server's certificate, and whatever it sent behind it, in any order. */
export function checkDane(
  records: readonly TlsaRecord[],
  sent: readonly X509Certificate[],
  context: DaneContext,
): DaneResult {
  const [leaf, ...others] = sent.slice(0, MAX_CERTIFICATES);
  if (leaf === undefined) return failed('validation-failure', 'the server sent no certificate');
  const own = records.find((record) => record.usage === END_ENTITY && matches(record, leaf));
  if (own !== undefined) return { kind: 'matched', record: own };
  const anchors = records.filter(({ usage }) => usage === TRUST_ANCHOR);
  if (anchors.length === 0) return failed('validation-failure', 'the certificate matches no TLSA record');
  return checkAnchors(anchors, { leaf, others }, context);
}

interface Sent {
  readonly leaf: X509Certificate;
  readonly others: readonly X509Certificate[];
}

function checkAnchors(anchors: readonly TlsaRecord[], { leaf, others }: Sent, context: DaneContext): DaneResult {
  // RFC 7672 §3.1.2: an authority whose certificate is in the DNS need not be sent.
  const known = anchors.flatMap((record) => (isFull(record, WHOLE) ? (certificateOf(record.data) ?? []) : []));
  const search = { anchors, issuers: [...known, ...others], now: context.now };
  const anchor = anchorOf(leaf, search);
  if (anchor === undefined) {
    const ever = anchorOf(leaf, { ...search, now: undefined });
    if (ever !== undefined) return failed('certificate-expired', 'a certificate of the chain is not in force today');
    return failed('validation-failure', 'no chain leads from the certificate to a TLSA record');
  }
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes(SERVER_AUTH))
    return failed('validation-failure', 'the certificate is not for servers');
  const names = context.names.filter((name) => isNamed(leaf, name));
  if (names.length > 0) return { kind: 'matched', record: anchor, names };
  return failed('certificate-host-mismatch', `the certificate is for none of ${context.names.join(', ')}`);
}

interface AnchorSearch {
  readonly anchors: readonly TlsaRecord[];
  readonly issuers: readonly X509Certificate[];
  /** Undefined: whatever the dates are. */
  readonly now: number | undefined;
}

/**
 * Upwards from the certificate. Each is looked at once, whichever way leads to it: chains that cross would otherwise cost
 * a signature check for each of their many ways.
 */
function anchorOf(leaf: X509Certificate, search: AnchorSearch): TlsaRecord | undefined {
  const inForce = (certificate: X509Certificate): boolean =>
    search.now === undefined || isValidAt(certificate, search.now);
  const left = new Set(search.issuers.filter(inForce));
  const reached = inForce(leaf) ? [leaf] : [];
  for (const certificate of reached) {
    const bare = search.anchors.find((record) => isFull(record, KEY) && isSignedByKey(certificate, record.data));
    if (bare !== undefined) return bare;
    for (const issuer of left) {
      if (!issued(issuer, certificate)) continue;
      const anchor = search.anchors.find((record) => matches(record, issuer));
      if (anchor !== undefined) return anchor;
      left.delete(issuer);
      reached.push(issuer);
    }
  }
  return undefined;
}

function matches({ selector, matchingType, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const octets = selector === WHOLE ? certificate.raw : publicKeyInfoOf(certificate.raw);
  if (octets === undefined) return false;
  const digest = DIGESTS[matchingType];
  return data.equals(digest === undefined ? octets : createHash(digest.name).update(octets).digest());
}

function isFull({ selector, matchingType }: TlsaRecord, wanted: number): boolean {
  return matchingType === FULL && selector === wanted;
}

function isNamed(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'default', partialWildcards: false }) !== undefined;
}

function isSignedByKey(certificate: X509Certificate, data: Buffer): boolean {
  const key = keyOf(data);
  try {
    return key !== undefined && certificate.verify(key);
  } catch {
    // A key of another kind than the signature.
    return false;
  }
}

function certificateOf(data: Buffer): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(data);
    // PEM, or something behind it, is not what a server could have sent.
    return certificate.raw.equals(data) ? certificate : undefined;
  } catch {
    // Whatever somebody put into the DNS: unusable.
    return undefined;
  }
}

function keyOf(data: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: data, format: 'der', type: 'spki' });
  } catch {
    return undefined; // As above.
  }
}

function failed(result: TlsResultType, reason: string): DaneResult {
  return { kind: 'failed', result, reason };
}
