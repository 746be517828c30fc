/**
 * The one door in: makes a stored message of a finished transaction.
 *
 * The reply is 250 only after the queue manager has committed the message, its entries and its first
 * event; from then on it is ours (RFC 5321 §6.1).
 */

import { senderTest } from './session-logins.ts';
import { type Instant } from '../lib/time.ts';
import { type EntryRecipient } from '../mail/entry.ts';
import { type Client, type Envelope } from '../mail/envelope.ts';
import { type MessageOptions } from '../mail/message-options.ts';
import { formatMailbox } from '../mail/path.ts';
import { classOfPriority } from '../mail/priority.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { receivedField } from '../mail/received.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type AcceptedEvent } from '../events/event.ts';
import { type NewMessage } from '../spool/spool.ts';
import { type HeaderFacts } from './header-edits.ts';
import { type Collected, MessageSink, type SinkOptions } from './message-sink.ts';
import { type PlannedMessage, type ReceiveDeps, type Submitted } from './ports.ts';
import { type Transaction } from './receiver.ts';
import { type SendingTimes, timesWith } from './sending-times.ts';
import { hidesClient, submissionForm } from './submission.ts';
import { type ContentSink } from './transaction.ts';

type Answer = Reply | readonly Reply[];

export function acceptSink(deps: ReceiveDeps, transaction: Transaction, refuse: (why: Reply) => Reply): ContentSink {
  const id = deps.nextId();
  const { settings } = transaction;
  return new MessageSink({
    id,
    budget: deps.budget,
    kept: deps.kept,
    incoming: deps.incoming,
    memoryOctets: settings.memoryOctets,
    tightOctets: settings.tightOctets,
    maxHeaderOctets: settings.maxHeaderOctets,
    maxHops: settings.maxHops,
    trusted: transaction.trusted ? 'trusted' : 'untrusted',
    binary: transaction.sender.body === 'BINARYMIME',
    trace: traceOf(deps, transaction, id),
    ...submissionForm(deps, transaction, id),
    ...submitted(deps, transaction, id),
    refused: (why) => answerTo(transaction, refuse(why)),
  });
}

/** The times are decided once the header section is known, and hold from then on: for the signatures, too. */
function submitted(
  deps: ReceiveDeps,
  transaction: Transaction,
  id: QueueId,
): Pick<SinkOptions, 'check' | 'sign' | 'commit'> {
  let times = transaction.times;
  return {
    ...signing(deps, transaction, () => times.releaseAt),
    check: ({ options }) => {
      const decided = timesOf(deps, transaction.settings, { options, asked: times });
      if ('code' in decided) return decided;
      times = decided;
      return undefined;
    },
    commit: (collected) => commit(deps, transaction, { id, collected, times }),
  };
}

interface Wanted {
  readonly options: MessageOptions;
  readonly asked: SendingTimes;
}

function timesOf(
  { clock }: ReceiveDeps,
  { isPool, longestHold }: Transaction['settings'],
  { options, asked }: Wanted,
): SendingTimes | Reply {
  const { pool } = options;
  if (pool !== undefined && !isPool(pool))
    return reply(550, '5.6.0', `X-Postrider-Pool: no route is for the pool ${pool}`);
  return timesWith(asked, options, { now: clock.now(), longestHold });
}

/** Only the mail of our own: of clients that may send anything to anybody through us. */
function signing(
  { signer, signsOnlyOf, clock }: ReceiveDeps,
  { settings, peer }: Transaction,
  sentFrom: () => Instant | undefined,
): Pick<SinkOptions, 'sign'> {
  const active = signer();
  if (active === undefined || (peer.identity === undefined && !settings.relay.isTrusted(peer.address))) return {};
  const may = peer.identity && senderTest(peer.identity);
  return {
    sign: (section) => active.begin(section, clock.now(), { may, onlyOf: signsOnlyOf, sentFrom: sentFrom() }),
  };
}

interface Arrival {
  readonly id: QueueId;
  readonly collected: Collected;
  readonly times: SendingTimes;
}

async function commit(deps: ReceiveDeps, transaction: Transaction, arrival: Arrival): Promise<Answer> {
  const message = newMessage(deps, transaction, arrival);
  const submitted = await deps.submit(message);
  if (submitted.kind !== 'accepted') deps.kept.forget(arrival.id);
  return answerTo(transaction, finalReply(submitted, arrival.id));
}

function finalReply(submitted: Submitted, id: QueueId): Reply {
  switch (submitted.kind) {
    case 'accepted':
      return reply(250, '2.0.0', `Queued as ${id}`);
    case 'full':
      return reply(452, '4.3.1', 'Insufficient storage, try again later');
    case 'tooMuch':
      return reply(
        450,
        '4.7.1',
        `The ${submitted.of} has sent as much as it may (${submitted.limit}), try again later`,
      );
    case 'unavailable':
      return reply(451, '4.3.0', `Not queued, try again later: ${submitted.reason}`);
  }
}

/** In LMTP each accepted RCPT is owed a reply of its own (RFC 2033 §4.2). */
function answerTo({ peer, accepted }: Transaction, answer: Reply): Answer {
  return peer.protocol === 'LMTP' ? Array.from({ length: accepted }, () => answer) : answer;
}

function newMessage(deps: ReceiveDeps, transaction: Transaction, arrival: Arrival): NewMessage {
  const { recipients } = transaction;
  const { content, eightBit } = arrival.collected;
  const planned = plannedMessage(transaction, arrival, deps.clock.now());
  const { id, envelope, acceptedAt } = planned;
  return {
    id,
    envelope,
    class: planned.class,
    acceptedAt,
    report: false,
    eightBit,
    content,
    entries: deps.entriesOf(planned, recipients),
    events: [deps.eventLine(acceptedEvent(transaction, planned, arrival.collected))],
  };
}

function plannedMessage(
  transaction: Transaction,
  { id, collected, times }: Arrival,
  acceptedAt: Instant,
): PlannedMessage {
  const { settings, sender, startedAt } = transaction;
  const { options } = collected.header;
  const { releaseAt, uselessAt } = times;
  return {
    id,
    envelope: envelopeOf(transaction, collected.header, times),
    class: options.class ?? classOfPriority(sender.priority ?? 0) ?? settings.defaultClass,
    acceptedAt,
    octets: collected.octets,
    beforeQueue: acceptedAt - startedAt,
    ...(releaseAt !== undefined && { releaseAt }),
    ...(uselessAt !== undefined && { uselessAt }),
    ...(options.pool !== undefined && { pool: options.pool }),
  };
}

function envelopeOf(
  transaction: Transaction,
  { options, tlsOptional }: HeaderFacts,
  { deliverBy }: SendingTimes,
): Envelope {
  const { sender, peer } = transaction;
  const { campaign = '', tags, trackingId } = options;
  // A user's mail is its tenant's, or nobody's, whatever the header says.
  const tenant = peer.identity === undefined ? (options.tenant ?? '') : peer.identity.tenant;
  const more = {
    ...{ client: clientOf(transaction), tenant, campaign },
    ...(deliverBy && { deliverBy }),
    ...(tags && { tags }),
    ...(trackingId !== undefined && { trackingId }),
  };
  // RFC 8689 §3: beside REQUIRETLS the field means nothing.
  if (!tlsOptional || sender.requireTls === true) return { ...sender, ...more };
  return { ...sender, tlsOptional, ...more };
}

function acceptedEvent(transaction: Transaction, message: PlannedMessage, collected: Collected): AcceptedEvent {
  const { client, reversePath, tenant, campaign, tags, trackingId } = message.envelope;
  return {
    kind: 'accepted',
    at: message.acceptedAt,
    queueId: message.id,
    sender: reversePath === null ? '' : formatMailbox(reversePath),
    tenant,
    campaign,
    recipients: transaction.recipients.map(addressOf),
    clientAddress: client.address,
    clientName: client.helloName,
    protocol: client.protocol,
    listener: client.listener,
    user: client.user,
    tls: client.tls,
    octets: message.octets,
    messageIdField: collected.header.messageIdField,
    subject: collected.header.subject,
    signedBy: collected.signedBy,
    repaired: collected.repaired.length === 0 ? undefined : collected.repaired,
    ...{ tags, trackingId, releaseAt: message.releaseAt },
    delays: { beforeQueue: message.beforeQueue ?? 0 },
  };
}

function addressOf({ forwardPath }: EntryRecipient): string {
  return formatMailbox(forwardPath);
}

function clientOf({ peer }: Transaction): Client {
  const { address, port, helloName, protocol, tls, listener, identity } = peer;
  return { address, port, helloName, protocol, tls, listener, ...(identity && { user: identity.user }) };
}

/** The trace field of a transaction, stored or passed through. */
export function traceOf(deps: ReceiveDeps, transaction: Transaction, id: string): string {
  const [only, ...others] = transaction.recipients;
  return receivedField({
    client: clientOf(transaction),
    by: transaction.settings.hostname,
    id,
    smtpUtf8: transaction.sender.smtpUtf8,
    hideClient: hidesClient(transaction),
    recipient: only === undefined || others.length > 0 ? undefined : addressOf(only),
    priority: transaction.sender.priority,
    date: deps.formatDate(deps.clock.now()),
  });
}
