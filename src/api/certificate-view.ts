/** What is told of server certificates: those in use, and what ACME is about. */

import { type Instant } from '../lib/time.ts';

/** A certificate in use. */
export interface CertificateView {
  /** The option that names it, `acme`, or `self-signed`. */
  readonly source: string;
  readonly names: readonly string[];
  readonly issuer: string;
  readonly keyType: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** `3 1 1 …`, of its key. */
  readonly tlsa: string;
}

export interface CertificatesView {
  readonly certificates: readonly CertificateView[];
  /** Undefined: `acme` is off. */
  readonly acme: AcmeView | undefined;
}

export interface AcmeView {
  readonly names: readonly string[];
  readonly state: 'waiting' | 'ordering';
  readonly nextAt: Instant;
  /** Orders that failed in a row. */
  readonly failures: number;
  readonly lastError: string;
  /** Of the key that the next renewal will have, where it will have another. */
  readonly nextTlsa: string | undefined;
}
