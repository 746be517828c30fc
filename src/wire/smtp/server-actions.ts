/** What the server machine and whoever drives it say to each other. */

import { type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { type Reply } from '../../mail/reply.ts';
import { type ChannelBinding, type SaslCheck, type ScramGiven } from '../sasl/sasl.ts';
import { type MailRequest } from './parameters.ts';
import { type ReplyName } from './server-replies.ts';

export type HelloProtocol = 'SMTP' | 'ESMTP' | 'LMTP';

export type Action =
  /** `name` is absent for a reply that the receiver decided. */
  | { readonly kind: 'send'; readonly reply: Reply; readonly name: ReplyName | undefined }
  | { readonly kind: 'ask'; readonly question: Question }
  /** Content to pass on; valid until the next call, unless the performer asks for time by not calling. */
  | { readonly kind: 'content'; readonly octets: Buffer }
  /** The content will not be finished. */
  | { readonly kind: 'abort' }
  /** The transaction is over without a message. */
  | { readonly kind: 'reset' }
  /** Begin TLS now: everything sent so far goes out in clear text, then call `tlsStarted`. */
  | { readonly kind: 'startTls' }
  | { readonly kind: 'close' };

export type Question =
  | { readonly kind: 'connect' }
  | { readonly kind: 'hello'; readonly helloName: string; readonly protocol: HelloProtocol }
  | { readonly kind: 'sender'; readonly sender: SenderParameters; readonly request: MailRequest }
  | { readonly kind: 'recipient'; readonly recipient: Recipient }
  | { readonly kind: 'content' }
  | { readonly kind: 'finish' }
  | { readonly kind: 'startTls' }
  /** What a server keeps of the user's password, and what binds to this session. */
  | { readonly kind: 'scram'; readonly user: string; readonly binding: ChannelBinding | undefined }
  | { readonly kind: 'login'; readonly check: SaslCheck }
  /** What the client sent proves nothing: for who counts failures. Answered by `refused`. */
  | { readonly kind: 'loginFailed'; readonly user: string | undefined };

/**
 * `go` answers `connect`, `content` and `startTls`; a reply refuses these and decides all others. `finish` in LMTP
 * takes one reply for all recipients or one for each. `pipelined` answers `startTls` only. `authenticated`, `refused`
 * and `unavailable` answer `login`, what a server keeps of a password answers `scram`.
 */
export type Decision =
  'go' | 'pipelined' | 'unavailable' | 'authenticated' | 'refused' | ScramGiven | Reply | readonly Reply[];

/** The states in which a command is read. */
export type ServerState = 'greeting' | 'ready' | 'mail' | 'rcpt' | 'bdat';

export const SERVER_STATES: readonly ServerState[] = ['greeting', 'ready', 'mail', 'rcpt', 'bdat'];

/** The reply of a decision that can be nothing else. */
export function asReply(decision: Decision): Reply {
  if (typeof decision === 'string' || !('code' in decision))
    throw new Error(`a reply is wanted, not ${JSON.stringify(decision)}`);
  return decision;
}
