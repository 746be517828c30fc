/**
 * What a session asks when a client logs in (RFC 4954). The mechanisms themselves are machines in `wire/sasl`; who
 * exists, and what proves it, is known elsewhere.
 */

import { type Identity } from '../mail/identity.ts';

export type Authenticated =
  | { readonly kind: 'identity'; readonly identity: Identity }
  /** Unknown, wrong, disabled: a client is not told which. `reason` is for the operator, and quotes nothing that is secret. */
  | { readonly kind: 'refused'; readonly reason?: string }
  /** It cannot be found out now: 454 4.7.0. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface Authenticator {
  /** PLAIN and LOGIN; takes as long for an unknown user as for a known one. */
  password(user: string, password: string): Promise<Authenticated>;
  /** For SCRAM-SHA-256. An unknown user gets a secret that is made up, the same each time, and fits no password. */
  scram(user: string): Promise<{
    readonly salt: Uint8Array;
    readonly iterations: number;
    readonly storedKey: Uint8Array;
    readonly serverKey: Uint8Array;
  }>;
  /** Of a token of OAuth: of whom it names, who is `user` where the client gave a name. */
  token(token: string, user: string | undefined): Promise<Authenticated>;
  /** Of a user who has proved to be it: by SCRAM, or by a certificate. */
  user(user: string): Promise<Authenticated>;
}
