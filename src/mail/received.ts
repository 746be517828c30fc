/**
 * The trace field that a server prepends (RFC 5321 §4.4), folded at its clauses.
 *
 * `with` keywords: RFC 3848 (ESMTP, ESMTPS, ESMTPSA, LMTP…) and RFC 6531 §3.7.3 (UTF8SMTP…).
 * Peer-given text (the hello name) is only quoted when it is harmless; anything else is left out.
 */

import { type Client } from './envelope.ts';

export interface ReceivedFacts {
  readonly client: Client;
  /** Our own name. */
  readonly by: string;
  readonly id: string;
  readonly smtpUtf8: boolean;
  /** Its name and address are left out. */
  readonly hideClient?: boolean;
  /** The only recipient, or undefined: more than one would tell each of the others. */
  readonly recipient: string | undefined;
  /** Of MT-PRIORITY (RFC 6710 §7). */
  readonly priority?: number | undefined;
  /** RFC 5322 date-time. */
  readonly date: string;
}

/** `uid 1000 (ann)`. */
const LOCAL_USER = /^uid \d{1,10} \([\w.+-]{1,64}\)$/;
const HARMLESS_NAME = /^[A-Za-z0-9._:[\]-]{1,255}$/;

export function receivedField(facts: ReceivedFacts): string {
  const { client, by, id, recipient, priority, date } = facts;
  const clauses = [facts.hideClient === true ? '' : fromClause(client), `by ${by} ${how(facts)} id ${id}`];
  if (recipient !== undefined) clauses.push(`for <${recipient}>`);
  if (priority !== undefined) clauses.push(`priority ${priority}`);
  return `Received: ${clauses.filter((clause) => clause !== '').join('\r\n\t')}; ${date}\r\n`;
}

function fromClause({ address, helloName, protocol }: Client): string {
  if (protocol === 'LOCAL' || address === '') return '';
  const literal = address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
  return HARMLESS_NAME.test(helloName) ? `from ${helloName} (${literal})` : `from ${literal}`;
}

function how(facts: ReceivedFacts): string {
  const { client } = facts;
  // No protocol was spoken: who it was is all there is to say.
  if (client.protocol === 'LOCAL' && LOCAL_USER.test(client.helloName)) return `(from ${client.helloName})`;
  return `with ${withKeyword(facts)}${tlsComment(client)}`;
}

function withKeyword({ client, smtpUtf8 }: ReceivedFacts): string {
  const secured = `${client.tls === undefined ? '' : 'S'}${client.user === undefined ? '' : 'A'}`;
  if (client.protocol === 'LMTP') return `${smtpUtf8 ? 'UTF8LMTP' : 'LMTP'}${secured}`;
  if (smtpUtf8) return `UTF8SMTP${secured}`;
  return client.protocol === 'ESMTP' ? `ESMTP${secured}` : client.protocol;
}

function tlsComment({ tls }: Client): string {
  return tls === undefined ? '' : ` (${tls})`;
}
