/** What a domain asks of those who send to it: an MTA-STS policy as a value (RFC 8461 §3.2). Read in `tlspolicy/mta-sts.ts`. */

/** At `https://mta-sts.<domain>` (RFC 8461 §3.3). */
export const STS_POLICY_PATH = '/.well-known/mta-sts.txt';

/** `testing` never blocks; `none` says that there is no policy any more. */
export type StsMode = 'enforce' | 'testing' | 'none';

export interface StsPolicy {
  readonly mode: StsMode;
  /** Patterns in lower case: a host name, or `*.` and a name, where the asterisk stands for exactly one label. */
  readonly mx: readonly string[];
  /** Seconds. */
  readonly maxAge: number;
}
