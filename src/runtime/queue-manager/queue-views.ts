/** Entries and messages as the faces show them. */

import { type EntryView, type MessageView, type SiteView } from '../../api/contract.ts';
import { type Entry } from '../../mail/entry.ts';
import { formatMailbox } from '../../mail/path.ts';
import { type SiteSummary } from '../../queue/site-summary.ts';
import { type StoredMessage } from '../../spool/spool.ts';
import { addressesOf } from './entry-events.ts';

export function entryView(entry: Entry, inFlight: boolean): EntryView {
  const { id, message, queue, routingDomain, route, lane, reason, lastReply, attempts, octets } = entry;
  const { acceptedAt, dueAt, expiresAt, lastAttemptAt } = entry;
  return {
    ...{ id, message, queue, routingDomain, route, lane, reason, lastReply, attempts, octets, inFlight },
    ...{ acceptedAt, dueAt, expiresAt, lastAttemptAt, class: entry.class },
    sender: entry.sender ?? '',
    recipients: addressesOf(entry.recipients),
  };
}

export function messageView(message: StoredMessage): MessageView {
  const { id, envelope, acceptedAt, content } = message;
  const { client, reversePath, tenant, campaign } = envelope;
  return {
    ...{ id, tenant, campaign, acceptedAt, class: message.class, octets: content.octets },
    sender: reversePath === null ? '' : formatMailbox(reversePath),
    clientAddress: client.address,
    clientName: client.helloName,
    protocol: client.protocol,
    listener: client.listener,
    tls: client.tls,
  };
}

export function siteView(summary: SiteSummary, now: number): SiteView {
  const { site, path, ready, connections, window, inFlight, blockedUntil, diagnostic } = summary;
  const held = blockedUntil > now;
  return {
    ...{ site, path, ready, connections, window, inFlight },
    explanations: held ? [{ what: `backed off: ${diagnostic}`, by: 'the receiver', until: blockedUntil }] : [],
  };
}
