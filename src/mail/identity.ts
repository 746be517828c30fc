/**
 * Who a client has proved to be: the user of a session that logged in (RFC 4954, RFC 6409 §4.3).
 *
 * Made by the directory or from a token or a certificate, and carried by the session from then on. Plain values: it
 * crosses threads. What the user may send is said here, and judged by the rules of submission.
 */

export interface Identity {
  /** The login name; or what the token or the certificate names. */
  readonly user: string;
  /** `''` for none. */
  readonly tenant: string;
  /** Address patterns for the reverse-path and From: `ann@example.com`, `example.com`, `.example.com`, `*`. */
  readonly senders: readonly string[];
  readonly limits: SendingLimits;
}

/** An absent limit is none. */
export interface SendingLimits {
  readonly messagesPerHour?: number;
  readonly messagesPerDay?: number;
  readonly recipientsPerHour?: number;
  readonly recipientsPerDay?: number;
  readonly recipientsPerMessage?: number;
  readonly messageOctets?: number;
}
