/** Which waiting entries a command means. All the parts given must match. */

import { type QueueFilter } from '../../api/contract.ts';
import { type Entry, messageOf } from '../../mail/entry.ts';
import { formatMailbox } from '../../mail/path.ts';
import { partsOf } from '../../mail/queue-name.ts';
import { addressPattern } from '../../mail/address-pattern.ts';

export type EntryTest = (entry: Entry) => boolean;

export function entryTest(filter: QueueFilter): EntryTest {
  const tests: EntryTest[] = [];
  const { id, sender, recipient, domain, queue, lane, reason } = filter;
  if (id !== undefined) tests.push((entry) => entry.id === id || entry.message === id);
  if (sender !== undefined) tests.push(senderTest(sender));
  if (recipient !== undefined) tests.push(recipientTest(recipient));
  if (domain !== undefined) tests.push(domainTest(domain.toLowerCase()));
  if (queue !== undefined) tests.push(queueTest(queue));
  if (lane !== undefined) tests.push((entry) => entry.lane === lane);
  if (reason !== undefined) tests.push((entry) => entry.reason === reason);
  return (entry) => tests.every((matches) => matches(entry));
}

/** The only message that can match, so that nothing else need be read. */
export function onlyMessage({ id }: QueueFilter): string | undefined {
  if (id === undefined) return undefined;
  return id.includes('/') ? messageOf(id as Entry['id']) : id;
}

function senderTest(pattern: string): EntryTest {
  const matches = addressPattern(pattern);
  return ({ sender }) => matches(sender ?? '');
}

function recipientTest(pattern: string): EntryTest {
  const matches = addressPattern(pattern);
  return ({ recipients }) => recipients.some(({ forwardPath }) => matches(formatMailbox(forwardPath)));
}

function domainTest(domain: string): EntryTest {
  return (entry) =>
    entry.routingDomain === domain || entry.recipients.some(({ forwardPath }) => forwardPath.domain === domain);
}

/** Parts that are left out match anything. */
function queueTest(pattern: string): EntryTest {
  const [, campaign = '', tenant = '', domain = ''] = /^(?:([^:@]*):)?([^@]*)(?:@(.*))?$/.exec(pattern) ?? [];
  return ({ queue }) => {
    const parts = partsOf(queue);
    const wanted = [
      [campaign, parts.campaign],
      [tenant, parts.tenant],
      [domain, parts.domain],
    ] as const;
    return wanted.every(([want, have]) => want === '' || decoded(want) === have);
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Not percent-encoded: then it is meant as it stands.
    return part;
  }
}
