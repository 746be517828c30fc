/**
 * The server's side of SASL (RFC 4422): an exchange of a mechanism as a machine without I/O.
 *
 * Octets are those inside base64. Who a user is, and whether a password fits, is asked; nothing here knows a secret but
 * what it is given for this one exchange. What a client sends never throws.
 */

/** What proves the user, for the one who knows. */
export type SaslCheck =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** It has been proved; only what it may is asked. */
  | { readonly kind: 'user'; readonly user: string }
  /** By the certificate shown in the handshake; undefined: as whoever that names. */
  | { readonly kind: 'certificate'; readonly user: string | undefined }
  /** By a token of OAuth 2.0; undefined: as whoever that names. */
  | { readonly kind: 'token'; readonly user: string | undefined; readonly token: string };

export type SaslStep =
  | { readonly kind: 'challenge'; readonly octets: Buffer }
  /** Wanted for SCRAM; `secret` goes on. */
  | { readonly kind: 'secret'; readonly user: string; readonly binding: ChannelBinding | undefined }
  | { readonly kind: 'check'; readonly check: SaslCheck }
  /** `syntax`: it is no message of the mechanism. `refused`: it is, and proves nothing. */
  | { readonly kind: 'failed'; readonly why: 'syntax' | 'refused' };

/** RFC 9266, and RFC 5929 for TLS below 1.3. */
export type ChannelBinding = 'tls-exporter' | 'tls-unique';

export interface ScramGiven {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
  /** Ours: printable ASCII without commas, never used before. */
  readonly nonce: string;
  /** What the type that was asked for gives in this session; undefined: it has none. */
  readonly binding: Uint8Array | undefined;
}

export interface SaslExchange {
  /** `initial`: what came with the command; empty is not absent (RFC 4954 §4). */
  begin(initial: Buffer | undefined): SaslStep;
  respond(response: Buffer): SaslStep;
  /** Answers `secret`. */
  secret(given: ScramGiven): SaslStep;
  /** Said to a client that is refused, which answers with anything; only then comes the reply. */
  readonly denial?: Buffer;
}

export type SaslMechanism =
  'PLAIN' | 'LOGIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS' | 'EXTERNAL' | 'OAUTHBEARER' | 'XOAUTH2';

export const SASL_MECHANISMS: readonly SaslMechanism[] = [
  'EXTERNAL',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'OAUTHBEARER',
  'XOAUTH2',
  'PLAIN',
  'LOGIN',
];

export const SYNTAX: SaslStep = { kind: 'failed', why: 'syntax' };
export const REFUSED: SaslStep = { kind: 'failed', why: 'refused' };
