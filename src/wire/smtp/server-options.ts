/** What can be chosen of the server machine, for one listener; every limit has its reply in `server-replies.ts`. */

import { type Duration, type Instant } from '../../lib/time.ts';
import { type BearerHints } from '../sasl/bearer.ts';
import { type SaslMechanism } from '../sasl/sasl.ts';
import { type ExtensionName } from './extensions.ts';

/** `absent`: neither now nor later. `certified`: active, and the client has proved a certificate that may log it in. */
export type TlsState = 'absent' | 'available' | SecuredState;
export type SecuredState = 'active' | 'certified';

export function isSecured(tls: TlsState): tls is SecuredState {
  return tls === 'active' || tls === 'certified';
}

export interface ServerOptions {
  /** Our name in the greeting and the hello replies. */
  readonly hostname: string;
  readonly protocol: 'SMTP' | 'LMTP';
  /** Extensions that are not offered although they could be. */
  readonly withheld: readonly ExtensionName[];
  /** Content after unstuffing; offered as SIZE. */
  readonly maxContentOctets: number;
  /**
   * RFC 5321 §4.5.3.1.6 asks for 1,000 octets; much real mail has longer lines, and a relay that refuses it loses
   * more than it gains. Content above this has no lines worth the name and is refused.
   */
  readonly maxLineOctets: number;
  /** RFC 5321 §4.5.3.1.4 asks for 512 octets and the extensions for more; counts the CRLF. */
  readonly maxCommandOctets: number;
  /** At least 100 (RFC 5321 §4.5.3.1.8). */
  readonly maxRecipients: number;
  readonly maxTransactions: number;
  /** Refused commands since the last accepted message. */
  readonly maxErrors: number;
  /** Commands that bring no message nearer, since the last accepted message. */
  readonly maxJunk: number;
  /** What of a client that sends before it is greeted (RFC 5321 §4.3.1). Seen only while `connect` is being decided. */
  readonly earlyTalk: 'refuse' | 'tolerate';
  /** What of octets that stand behind EHLO, HELO or DATA before these are answered (RFC 2920 §3.1). */
  readonly improperPipelining: 'refuse' | 'tolerate';
  /** Absent: nobody may log in. */
  readonly auth?: AuthOptions | undefined;
  /** Absent: FUTURERELEASE is not offered. Only where clients log in. */
  readonly futureRelease?: FutureReleaseOptions | undefined;
}

export interface FutureReleaseOptions {
  /** How far ahead a message may be handed in. */
  readonly longest: Duration;
  /** Only told in the EHLO reply: what is asked is judged by the receiver. */
  readonly now: () => Instant;
}

export interface AuthOptions {
  readonly mechanisms: readonly SaslMechanism[];
  /** Before a login no mail is taken. */
  readonly required: boolean;
  /** `allowed`: also without encryption, where nobody can listen in. */
  readonly clearText: 'never' | 'allowed';
  /** For clients whose token of OAuth is refused. */
  readonly bearer?: BearerHints | undefined;
}

const KIBI = 1024;

export const SERVER_DEFAULTS: Omit<ServerOptions, 'hostname'> = {
  protocol: 'SMTP',
  withheld: [],
  maxContentOctets: 50 * KIBI * KIBI,
  maxLineOctets: 64 * KIBI,
  maxCommandOctets: 4 * KIBI,
  maxRecipients: 1000,
  maxTransactions: 1000,
  maxErrors: 50,
  maxJunk: 100,
  earlyTalk: 'refuse',
  improperPipelining: 'tolerate',
};

export function serverOptions(given: Partial<ServerOptions> & { readonly hostname: string }): ServerOptions {
  return { ...SERVER_DEFAULTS, ...given };
}
