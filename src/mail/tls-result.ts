/**
 * Which policy of encryption a session was held to, and what came of it. Plain values: they cross threads, go into events
 * and are counted for reports (RFC 8460 §4.3).
 */

/** What was decided by, the strongest first. `configured`: the route says so. */
export type TlsPolicyName = 'requiretls' | 'dane' | 'sts' | 'configured' | 'opportunistic';

/** RFC 8460 §4.4. */
export type TlsPolicyType = 'tlsa' | 'sts' | 'no-policy-found';

/** RFC 8460 §4.3. */
export type TlsResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid';

/** One session, or what kept one from being begun. */
export interface TlsSession {
  /** The policy that decided. */
  readonly policy: TlsPolicyName;
  /** The policy that the receiver publishes; it may have decided nothing (a policy in mode `testing`). */
  readonly policyType: TlsPolicyType;
  readonly host: string;
  /** `''`: nothing was dialled. */
  readonly address: string;
  /** Ours, of a session that failed; absent: nothing was connected. */
  readonly sourceAddress?: string;
  /** What the published policy, or encryption alone where there is none, came to. */
  readonly result: 'successful' | TlsResultType;
  /** In words: what was demanded and why, or what failed. */
  readonly reason: string;
  /** The host offered encryption before: somebody may have taken it out of its reply. */
  readonly downgraded?: true;
  /** The handshake resumed an earlier session. */
  readonly resumed?: true;
}
