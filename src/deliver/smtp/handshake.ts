/** What a route says of its TLS besides how much of it is demanded: pins, our own certificate, versions and ciphers. */

import { createHash, type X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { tlsParameters } from '../../lib/tls-profile.ts';
import { type RouteTls } from '../../mail/route.ts';
import { publicKeyInfoOf } from '../../tlspolicy/certificate.ts';
import { type DeliveryTls } from '../options.ts';

/** One for all handshakes by the same settings: to make one costs 0.4 of the 1.5 CPU-ms of our side of a handshake. */
const contexts = new WeakMap<DeliveryTls, Map<string, SecureContext>>();

export function contextFor(route: RouteTls | undefined, all: DeliveryTls = BY_DEFAULT): SecureContext {
  const { clientCertificate, profile } = route ?? {};
  const ours = contexts.get(all) ?? new Map<string, SecureContext>();
  contexts.set(all, ours);
  const key = JSON.stringify([profile, clientCertificate?.certificate]);
  const context = ours.get(key) ?? createSecureContext(handshakeOptions(route, all));
  ours.set(key, context);
  return context;
}

const BY_DEFAULT: DeliveryTls = {};

/** Options of Node's `createSecureContext`. */
function handshakeOptions(route: RouteTls | undefined, all: DeliveryTls) {
  const { clientCertificate, profile } = route ?? {};
  const own = clientCertificate === undefined ? undefined : all.clientCertificates?.get(clientCertificate.certificate);
  const oldest = all.minVersion ?? ('TLSv1.2' as const);
  return {
    minVersion: profile === 'modern' ? ('TLSv1.3' as const) : oldest,
    ...(profile === 'intermediate' ? { ciphers: tlsParameters('intermediate').ciphers } : {}),
    ...own,
    ...(all.ca === undefined ? {} : { ca: [all.ca].flat() }),
  };
}

/** Undefined: the route pins nothing. A pin is of the whole certificate, or of its key, which outlives certificates. */
export function isPinned(certificate: X509Certificate | undefined, route: RouteTls | undefined): boolean | undefined {
  const { fingerprints = [] } = route ?? {};
  if (fingerprints.length === 0) return undefined;
  if (certificate === undefined) return false;
  const key = publicKeyInfoOf(certificate.raw);
  const pins = [certificate.raw, ...(key === undefined ? [] : [key])].map((octets) =>
    createHash('sha256').update(octets).digest('hex'),
  );
  return pins.some((pin) => fingerprints.includes(pin));
}

/** Of plain values: a route comes anew with each dispatch. */
export function sameHandshake(a: RouteTls | undefined, b: RouteTls | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
