/**
 * Makes one DSN of all that must be told about a message (RFC 3464, RFC 6522, RFC 6533; envelope as
 * RFC 3461 §6.1 says).
 *
 * Pure: what it gives is stored by whoever asked, in the commit that deletes the notices. A DSN goes to the
 * reverse-path of the message, from the null reverse-path, in a class below it. Nothing is ever sent to the
 * null reverse-path and nothing is told about a report; failures of such messages go to the postmaster,
 * and failures on the way to the postmaster to nobody, so that reports cannot breed (RFC 5321 §6.1).
 */

import { type Instant } from '../lib/time.ts';
import { type Envelope, type Recipient } from '../mail/envelope.ts';
import { type Notice, type NoticeAction } from '../mail/notice.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';
import { PRIORITY_CLASSES, type PriorityClass } from '../mail/priority-class.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { wantsNotice } from '../mail/dsn-notify.ts';
import { isAscii } from '../mail/dsn-address.ts';
import { eventLine } from '../events/format.ts';
import { dsnContent } from './content.ts';
import { ACTIONS_BY_WEIGHT } from './human-part.ts';
import { type ReturnableContent } from './returned-part.ts';

export interface DsnInput {
  /** Of the DSN that is made. */
  readonly id: QueueId;
  readonly now: Instant;
  /** Our host name: Reporting-MTA, and the domain of MAILER-DAEMON. */
  readonly reportingMta: string;
  readonly postmaster: Mailbox;
  readonly about: ReportedMessage;
  /** All of the message that are not told yet. */
  readonly notices: readonly Notice[];
  /** Absent when the content can no longer be read: the DSN is made without it. */
  readonly content: ReturnableContent | undefined;
  readonly options: DsnOptions;
}

/** What is known of the message that the notices are about. */
export interface ReportedMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly acceptedAt: Instant;
  readonly class: PriorityClass;
  /** It is a DSN or another report itself. */
  readonly report: boolean;
}

export interface DsnOptions {
  /** A message up to this size is returned whole, if it is returned whole at all. */
  readonly maxReturnedOctets: number;
  /** What a failure returns when the sender did not say RET: the header section spares a forged sender the content. */
  readonly returnUnasked: 'FULL' | 'HDRS';
  /** Whether the postmaster hears of reports that could not be delivered. */
  readonly doubleBounce: 'postmaster' | 'nobody';
}

export const DSN_DEFAULTS: DsnOptions = {
  maxReturnedOctets: 50_000,
  returnUnasked: 'HDRS',
  doubleBounce: 'postmaster',
};

/** A new message but for its entries, which whoever knows the routes makes of `recipient`. */
export interface DsnMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly class: PriorityClass;
  readonly acceptedAt: Instant;
  readonly report: true;
  readonly eightBit: boolean;
  readonly content: { readonly kind: 'octets'; readonly octets: Uint8Array };
  readonly events: readonly string[];
}

export type DsnResult =
  | {
      readonly kind: 'dsn';
      readonly message: DsnMessage;
      readonly recipient: Recipient;
      /** Indexes of the recipients whose notices are settled by this DSN. */
      readonly told: readonly number[];
    }
  | NoDsn;

/** Nobody is to be told; the notices are settled all the same. */
export interface NoDsn {
  readonly kind: 'nothing';
  readonly told: readonly number[];
  readonly events: readonly string[];
}

/** The others wait for the next DSN: one of them must not fill the memory. */
export const MAX_DSN_RECIPIENTS = 1000;

export function composeDsn(input: DsnInput): DsnResult {
  const batch = input.notices.slice(0, MAX_DSN_RECIPIENTS);
  const told = batch.map((notice) => notice.recipientIndex);
  const doubleBounce = isUnreportable(input.about);
  const to = doubleBounce ? input.postmaster : input.about.envelope.reversePath;
  const notices = batch.filter((notice) => (doubleBounce ? mayDoubleBounce(notice, input) : wants(notice)));
  if (to === null || notices.length === 0) return withholdDsn(input);
  return { kind: 'dsn', message: messageTo(to, notices, input), recipient: reportRecipient(to), told };
}

/** In place of a DSN that must not be sent now (the cap of its sender): the same notices are settled, and logged. */
export function withholdDsn(input: DsnInput): NoDsn {
  const batch = input.notices.slice(0, MAX_DSN_RECIPIENTS);
  const told = batch.map((notice) => notice.recipientIndex);
  const facts = { queueId: '', to: '', action: worstAction(batch) };
  return { kind: 'nothing', told, events: batch.length === 0 ? [] : [dsnEvent(input, batch, facts)] };
}

/** The class in which reports about a message of this class travel. */
function classBelow(of: PriorityClass): PriorityClass {
  return PRIORITY_CLASSES[PRIORITY_CLASSES.indexOf(of) + 1] ?? 'bulk';
}

/** The worst of the actions: it names the DSN. */
function worstAction(notices: readonly Notice[]): NoticeAction {
  return ACTIONS_BY_WEIGHT.find((action) => notices.some((notice) => notice.action === action)) ?? 'failed';
}

function isUnreportable({ report, envelope }: ReportedMessage): boolean {
  return report || envelope.reversePath === null;
}

function wants({ recipient, action }: Notice): boolean {
  return wantsNotice(recipient, action);
}

function mayDoubleBounce({ action, recipient }: Notice, { postmaster, options }: DsnInput): boolean {
  if (options.doubleBounce === 'nobody' || action !== 'failed') return false;
  return !isPostmaster(recipient.forwardPath, postmaster);
}

function isPostmaster(mailbox: Mailbox, postmaster: Mailbox): boolean {
  return formatMailbox(mailbox).toLowerCase() === formatMailbox(postmaster).toLowerCase();
}

function messageTo(to: Mailbox, notices: readonly Notice[], input: DsnInput): DsnMessage {
  const { about, id, now } = input;
  const action = worstAction(notices);
  const { requireTls } = about.envelope;
  const returned = requireTls === true ? withoutBody(input) : input;
  const { octets, eightBit } = dsnContent({ ...returned, to, notices, action, doubleBounce: isUnreportable(about) });
  const envelope = reportEnvelope(to, about.envelope.tenant, eightBit);
  return {
    id,
    envelope: requireTls === true ? { ...envelope, requireTls } : envelope,
    class: classBelow(about.class),
    acceptedAt: now,
    report: true,
    eightBit,
    content: { kind: 'octets', octets },
    events: [dsnEvent(input, notices, { queueId: id, to: formatMailbox(to), action })],
  };
}

/** RFC 8689 §5: what was to go by TLS alone does not come back whole, whatever RET says. */
function withoutBody(input: DsnInput): DsnInput {
  const { about } = input;
  return { ...input, about: { ...about, envelope: { ...about.envelope, ret: 'HDRS' } } };
}

/** Reports come from the null reverse-path (RFC 3461 §6.1), whoever they go to. */
export function reportEnvelope(to: Mailbox, tenant: string, eightBit: boolean): Envelope {
  return {
    reversePath: null,
    body: eightBit ? '8BITMIME' : '7BIT',
    // RFC 6531 §3.1: only where an address or a header field needs it; else a hop without it would lose the DSN.
    smtpUtf8: !isAscii(formatMailbox(to)),
    ret: undefined,
    envid: undefined,
    client: { address: '', port: 0, helloName: '', protocol: 'LOCAL', tls: undefined, listener: 'bounce' },
    tenant,
    // Work on a campaign (suspend it, cancel it) must not reach the reports about it.
    campaign: '',
  };
}

export function reportRecipient(to: Mailbox): Recipient {
  return { forwardPath: to, orcpt: undefined, notify: undefined };
}

function dsnEvent(
  { now, about }: DsnInput,
  notices: readonly Notice[],
  facts: { readonly queueId: string; readonly to: string; readonly action: NoticeAction },
): string {
  const recipients = notices.map(({ recipient }) => formatMailbox(recipient.forwardPath));
  return eventLine({ kind: 'dsn', at: now, about: about.id, recipients, ...facts });
}
