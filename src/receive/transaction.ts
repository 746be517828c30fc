/**
 * What a session asks of the product: the contract between `smtp-session.ts` (one socket, one machine)
 * and the receiver that decides (`receiver.ts`).
 *
 * Every answer is a `Reply`, given at once or later. A completed reply moves the transaction on.
 */

import { type X509Certificate } from 'node:crypto';
import { type Recipient, type SenderParameters } from '../mail/envelope.ts';
import { type Identity } from '../mail/identity.ts';
import { type Reply } from '../mail/reply.ts';
import { type SaslCheck, type ScramGiven } from '../wire/sasl/sasl.ts';
import { type MailRequest } from '../wire/smtp/parameters.ts';
import { type LoginAnswer } from './logins.ts';

export type Answer<T> = T | Promise<T>;

/** The peer of one session as it is known so far; facts are filled in as they are learned. */
export interface Peer {
  /** Textual IP address of the client (behind a proxy: as the PROXY header says); empty for a local user. */
  readonly address: string;
  readonly port: number;
  readonly listener: string;
  readonly helloName: string;
  readonly protocol: 'SMTP' | 'ESMTP' | 'LMTP' | 'LOCAL';
  readonly tls: string | undefined;
  /** Who it has logged in as. */
  readonly identity?: Identity | undefined;
  /** Shown under TLS and vouched for by an authority of `tls.clientCa`; only where the listener asks for one. */
  readonly clientCertificate?: X509Certificate | undefined;
}

/** Decides for one session. Made at connect, dropped at close. */
export interface Receiver {
  /** A refusal is sent instead of the greeting, and the connection is closed. */
  connect(peer: Peer): Answer<Reply | undefined>;
  /** 250 to go on. */
  hello(peer: Peer): Answer<Reply>;
  sender(peer: Peer, sender: SenderParameters, request: MailRequest): Answer<Reply>;
  recipient(recipient: Recipient): Answer<Reply>;
  /** Content is about to come: a sink for it, or a refusal in place of 354 (DATA) or of the first chunk's 250 (BDAT). */
  content(): Answer<ContentSink | Reply>;
  /** The transaction is over without a message: RSET, a new hello, a lost connection. Not called after `finish`. */
  reset(): void;
  close(): void;
  /** Absent: nobody can log in. */
  readonly logins?: SessionLogins | undefined;
}

/** What a session asks while a client logs in (RFC 4954). */
export interface SessionLogins {
  /** What is kept of a user's password; also for a user who does not exist. A reply: not now. */
  scram(peer: Peer, user: string): Promise<Omit<ScramGiven, 'nonce' | 'binding'> | Reply>;
  check(peer: Peer, check: SaslCheck): Promise<LoginAnswer>;
  /** An exchange that proved nothing. */
  failed(peer: Peer, user: string | undefined): void;
}

/** Takes the content of one message, as it will be stored: dots unstuffed, CRLF line ends kept, no final dot line. */
export interface ContentSink {
  /** Takes the chunk over. A promise: nothing more is written until it resolves. */
  write(chunk: Buffer): void | Promise<void>;
  /** All content has come. One reply; in LMTP mode one for each accepted recipient, in order. */
  finish(): Promise<Reply | readonly Reply[]>;
  /** The content ended too early or was refused by the machine (too large, bare newline): nothing is kept. */
  abort(): void;
}
