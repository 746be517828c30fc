/**
 * Stateless relay: a transaction led step by step by somebody else's, whose client gets the next hop's own replies.
 *
 * Nothing is stored and nothing is tried again. Every reply is one that may be passed on: harmless text, lines of a
 * bearable length, and never 421, which would be about our connection and not about the client's.
 */

import { type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { type Reply, reply } from '../../mail/reply.ts';
import { type RelayRoute } from '../../mail/route.ts';
import { mailCommand, rcptCommand } from '../../wire/smtp/client-commands.ts';
import { DataEncoder } from '../../wire/smtp/client-content.ts';
import { type AgentOptions } from '../options.ts';
import { destinationOf } from './attempt.ts';
import { type SmtpConnection } from './connection.ts';
import { Dialer } from './dial.ts';
import { meets } from './session-policy.ts';

export interface RelayConnection {
  /** `size`: as the client declared it. */
  sender(sender: SenderParameters, size: number | undefined): Promise<Reply>;
  recipient(recipient: Recipient): Promise<Reply>;
  /** 354: content may follow. */
  begin(): Promise<Reply>;
  /** Content without dot-stuffing. Copied before it returns. */
  write(chunk: Buffer): Promise<void>;
  finish(): Promise<Reply>;
  /** The next hop gets no end of the content, and so no message. */
  abort(): void;
  quit(): void;
}

export type RelayOpened =
  { readonly kind: 'open'; readonly relay: RelayConnection } | { readonly kind: 'refused'; readonly reply: Reply };

export async function openRelay(route: RelayRoute, options: AgentOptions): Promise<RelayOpened> {
  const dialer = new Dialer(destinationOf(route, undefined), options);
  try {
    const dialed = await dialer.next();
    if (dialed.kind === 'open') return { kind: 'open', relay: new Relay(dialed.connection) };
    const { kind, status, diagnostic } = dialed.outcome;
    const text = passable(diagnostic);
    return { kind: 'refused', reply: reply(kind === 'failed' ? 554 : 451, status, text) };
  } finally {
    await dialer.close();
  }
}

// RFC 5321 §4.5.3.1.5: 512 with the code, the status and the CRLF.
const MAX_TEXT = 480;
const MAX_LINES = 20;

const LOST = reply(451, '4.4.2', 'The next hop closed the connection');
const NO_UTF8 = reply(553, '5.6.7', 'The next hop does not offer SMTPUTF8');
const NO_REQUIRETLS = reply(550, '5.7.30', 'The next hop is not known for sure, or does not offer REQUIRETLS');
const NO_BODY = reply(554, '5.6.3', 'The next hop does not take content of this body type');

class Relay implements RelayConnection {
  readonly #connection: SmtpConnection;
  #encoder = new DataEncoder();

  constructor(connection: SmtpConnection) {
    this.#connection = connection;
  }

  async sender(sender: SenderParameters, size: number | undefined): Promise<Reply> {
    const { offers } = this.#connection;
    if (sender.requireTls === true && !this.#keepsRequireTls()) return NO_REQUIRETLS;
    // Content that streams through cannot be converted on its way.
    if (sender.smtpUtf8 && !offers.smtpUtf8) return NO_UTF8;
    if (sender.body === 'BINARYMIME' || (sender.body === '8BITMIME' && !offers.eightBitMime)) return NO_BODY;
    return this.#ask(mailCommand(sender, { octets: size }, offers));
  }

  #keepsRequireTls(): boolean {
    const { offers, proof } = this.#connection;
    return offers.requireTls && (meets(proof.tls, 'verify') || meets(proof.tls, 'dane'));
  }

  recipient(recipient: Recipient): Promise<Reply> {
    return this.#ask(rcptCommand(recipient, this.#connection.offers));
  }

  begin(): Promise<Reply> {
    this.#encoder = new DataEncoder();
    return this.#ask('DATA\r\n');
  }

  write(chunk: Buffer): Promise<void> {
    return this.#connection.write(Buffer.from(this.#encoder.push(chunk)));
  }

  async finish(): Promise<Reply> {
    const answer = await this.#ask(this.#encoder.end().toString('latin1'));
    // Neither may end a message; we cannot know what the next hop did, and the client may try again.
    return answer.code >= 300 && answer.code < 400 ? reply(451, '4.5.0', 'The next hop gave no final reply') : answer;
  }

  abort(): void {
    this.#connection.destroy('the client did not end its message');
  }

  quit(): void {
    this.#connection.end();
  }

  async #ask(command: string): Promise<Reply> {
    const answer = await this.#connection.ask(command);
    if (answer === undefined) return LOST;
    const [first, ...rest] = answer.lines.slice(0, MAX_LINES).map(passable);
    return { ...answer, code: answer.code === 421 ? 451 : answer.code, lines: [first ?? '', ...rest] };
  }
}

function passable(text: string): string {
  // Our replies are ASCII unless the client asked for UTF-8, and we cannot ask it here.
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_TEXT);
}
