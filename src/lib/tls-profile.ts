/**
 * Versions and ciphers of TLS by name, for servers and clients alike, as options of `createSecureContext`.
 *
 * `intermediate` and `modern` are those of Mozilla's Server Side TLS 5.7. `compatible` is what Node speaks by itself: mail
 * that would otherwise go in clear text is better off with an old cipher. `tls12` is `intermediate` without TLS 1.3: Node
 * cannot switch off the session tickets of TLS 1.3 (SSL_OP_NO_TICKET still sends two), and some senders break on them.
 */

export const TLS_PROFILES = ['compatible', 'intermediate', 'modern', 'tls12'] as const;
export type TlsProfile = (typeof TLS_PROFILES)[number];
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsParameters {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Absent: those of Node. */
  readonly ciphers?: string;
}

const INTERMEDIATE = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['DHE-RSA-AES128-GCM-SHA256', 'DHE-RSA-AES256-GCM-SHA384', 'DHE-RSA-CHACHA20-POLY1305'],
].join(':');

const PROFILES: Readonly<Record<TlsProfile, TlsParameters>> = {
  compatible: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
  intermediate: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: INTERMEDIATE },
  modern: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
  tls12: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: INTERMEDIATE },
};

/** `oldest`: spoken besides what the profile demands; the stricter of the two counts. */
export function tlsParameters(profile: TlsProfile, oldest: TlsVersion = 'TLSv1.2'): TlsParameters {
  const named = PROFILES[profile];
  return oldest > named.minVersion ? { ...named, minVersion: oldest } : named;
}
