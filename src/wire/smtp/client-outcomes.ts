/**
 * What a reply, or the want of one, means for a recipient (RFC 5321 §4.2.1, §6.1).
 *
 * | what happens | outcome | scope |
 * |---|---|---|
 * | 4xx, 5xx to MAIL, DATA, the content | deferred, failed | message |
 * | 4xx, 5xx to RCPT | deferred, failed | recipient |
 * | 421 | deferred | connection after a completed transaction, else path |
 * | lost, timed out, garbage, before any content | deferred | connection after a completed transaction, else host |
 * | lost, timed out, garbage, once content was begun | deferred | message: the server may have it, so it costs an attempt |
 * | a reply out of its class (354 at the end, 250 to DATA) | deferred 4.5.0 | message |
 */

import { type Cause, type Outcome, type Scope, type Undelivered } from '../../mail/outcome.ts';
import { type EnhancedStatus, type Reply, classOf, replyText } from '../../mail/reply.ts';

/** What is kept of a reply for people. */
const MAX_DIAGNOSTIC = 1000;

/** Why there is no reply. */
export interface Loss {
  readonly cause: Extract<Cause, 'connection' | 'tls' | 'protocol' | 'local'>;
  readonly status: EnhancedStatus;
  /** Our own words, without the `postrider:`. */
  readonly text: string;
}

export function diagnosticOf(reply: Reply): string {
  return replyText(reply).slice(0, MAX_DIAGNOSTIC).toWellFormed();
}

/** A reply that does not complete: 4xx, 5xx, or one out of place. */
export function undeliveredBy(reply: Reply, scope: Scope, remoteMta: string): Undelivered {
  const diagnostic = diagnosticOf(reply);
  switch (classOf(reply)) {
    case 'transient':
      return { kind: 'deferred', status: reply.status ?? '4.0.0', scope, diagnostic, remoteMta, cause: 'reply' };
    case 'permanent':
      return { kind: 'failed', status: reply.status ?? '5.0.0', scope, diagnostic, remoteMta, cause: 'reply' };
    case 'completed':
    case 'intermediate':
      // We cannot know what the server did, so we try again: a duplicate is a smaller harm than a loss.
      return { kind: 'deferred', status: '4.5.0', scope: 'message', diagnostic, remoteMta, cause: 'protocol' };
  }
}

export function undeliveredByLoss({ cause, status, text }: Loss, scope: Scope, remoteMta: string): Undelivered {
  return { kind: 'deferred', status, scope, diagnostic: `postrider: ${text}`, remoteMta, cause };
}

export interface Acceptance {
  readonly remoteMta: string;
  readonly dsnPassedOn: boolean;
  readonly deliverByPassedOn?: boolean;
  /** LMTP: the server is the mailbox. */
  readonly final: boolean;
}

export function deliveredBy(reply: Reply, acceptance: Acceptance): Outcome {
  return { kind: 'delivered', status: reply.status ?? '2.0.0', diagnostic: diagnosticOf(reply), ...acceptance };
}

/**
 * Too many recipients for one transaction, and not this recipient's own trouble (RFC 5321 §4.5.3.1.10).
 * 552 is an old spelling of 452; an enhanced status that says something else is believed.
 */
export function isTooMany({ code, status }: Reply): boolean {
  return (code === 452 || code === 552) && (status === undefined || status.endsWith('.5.3'));
}

/** RFC 5321 §4.5.3.1.10: a client treats such a 552 as temporary. */
export function softened(reply: Reply): Reply {
  return reply.code === 552 && isTooMany(reply) ? { ...reply, status: '4.5.3', code: 452 } : reply;
}
