/**
 * Whose mail is a submission, and by which rules (RFC 6409): of users who have logged in, of local programs, and of the
 * clients in `relay.networks` if the configuration says so.
 */

import { type ReversePath } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { ALL_REPAIRED, type FormRules } from './form-rule-names.ts';
import { type SinkOptions } from './message-sink.ts';
import { type ReceiveDeps } from './ports.ts';
import { type Transaction } from './receiver.ts';
import { userHeader } from './user-mail.ts';

type Submitting = Pick<Transaction, 'settings' | 'peer'>;

/** Undefined: it is no submission. */
export function submissionRules({ settings, peer }: Submitting): FormRules | undefined {
  const { submission, relay } = settings;
  if (peer.protocol === 'LOCAL') return ALL_REPAIRED;
  if (peer.identity !== undefined) return submission.rules;
  return submission.networks && relay.isTrusted(peer.address) ? submission.rules : undefined;
}

/** RFC 6409 §4.2: where such domains are refused in the header section, so they are in the envelope. */
export function unqualifiedPath(
  submitting: Submitting,
  path: ReversePath,
  status: '5.1.3' | '5.1.7',
): Reply | undefined {
  if (path === null || path.domain === '' || /[.[]/.test(path.domain)) return undefined;
  if (submissionRules(submitting)?.unqualifiedDomain !== 'refuse' || submitting.settings.relay.isLocal(path))
    return undefined;
  return reply(554, status, 'The domain of this address has no dot (submission.refuseIf: unqualifiedDomain)');
}

/** Who submits may be nobody's business but ours. */
export function hidesClient(transaction: Submitting): boolean {
  return transaction.settings.submission.hideClient && submissionRules(transaction) !== undefined;
}

/** What is done to it. The header section of a local program's is complete before it comes here. */
export function submissionForm(
  { clock, formatDate }: ReceiveDeps,
  { settings, peer, sender }: Transaction,
  id: QueueId,
): Pick<SinkOptions, 'prepare' | 'maxOctets' | 'fit'> {
  const rules = submissionRules({ settings, peer });
  if (rules === undefined) return {};
  const { eightBit, longLine } = rules;
  const fit = { eightBit, longLine, binary: sender.body === 'BINARYMIME' };
  if (peer.protocol === 'LOCAL') return { fit };
  const { identity } = peer;
  const facts = { identity, reversePath: sender.reversePath, hostname: settings.hostname, id, rules };
  return {
    prepare: (section) => userHeader(section, { ...facts, date: formatDate(clock.now()) }),
    maxOctets: identity?.limits.messageOctets,
    fit,
  };
}
