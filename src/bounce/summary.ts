/** One plain message in place of the DSNs that a sender's cap withheld. */

import { type Instant } from '../lib/time.ts';
import { eventLine } from '../events/format.ts';
import { formatDate } from '../mail/date.ts';
import { foldField, oneLine } from '../mail/dsn.ts';
import { type Recipient } from '../mail/envelope.ts';
import { formatMailbox } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Withheld } from './budget.ts';
import { type DsnMessage, reportEnvelope, reportRecipient } from './compose.ts';
import { hasEightBit } from './returned-part.ts';

export interface SummaryInput {
  /** Of the message that is made. */
  readonly id: QueueId;
  readonly now: Instant;
  readonly reportingMta: string;
  readonly withheld: Withheld;
}

export function composeSummary(input: SummaryInput): { readonly message: DsnMessage; readonly recipient: Recipient } {
  const { id, now, withheld } = input;
  const octets = Buffer.from(headerSection(input) + body(input), 'utf8');
  const eightBit = hasEightBit(octets);
  const message: DsnMessage = {
    id,
    envelope: reportEnvelope(withheld.to, withheld.tenant, eightBit),
    class: 'bulk',
    acceptedAt: now,
    report: true,
    eightBit,
    content: { kind: 'octets', octets },
    events: [summaryEvent(input)],
  };
  return { message, recipient: reportRecipient(withheld.to) };
}

function summaryEvent({ id, now, withheld }: SummaryInput): string {
  const to = formatMailbox(withheld.to);
  return eventLine({
    kind: 'dsn',
    at: now,
    queueId: id,
    about: '',
    to,
    action: 'summary',
    recipients: withheld.examples,
  });
}

function headerSection({ id, now, reportingMta, withheld }: SummaryInput): string {
  const host = oneLine(reportingMta, 'ascii', 255);
  const fields = [
    foldField('From', `"Mail Delivery System" <MAILER-DAEMON@${host}>`),
    `To: <${formatMailbox(withheld.to).replaceAll(/\p{Cc}/gu, '?')}>\r\n`,
    foldField('Subject', `Summary of ${withheld.dsns} delivery reports`),
    `Date: ${formatDate(now)}\r\n`,
    `Message-ID: <${id}@${host}>\r\n`,
    'Auto-Submitted: auto-replied\r\n',
    'MIME-Version: 1.0\r\n',
    'Content-Type: text/plain; charset=utf-8\r\n',
    'Content-Transfer-Encoding: 8bit\r\n',
  ];
  return `${fields.join('')}\r\n`;
}

function body({ reportingMta, now, withheld }: SummaryInput): string {
  const { dsns, recipients, examples, since } = withheld;
  const lines = [
    `This is the mail system at ${oneLine(reportingMta, 'ascii', 255)}.`,
    '',
    `Between ${formatDate(since)}`,
    `and     ${formatDate(now)}`,
    `there was more to tell you about mail from your address than is sent in`,
    `an hour. ${dsns} further delivery reports, about ${recipients} recipients, were not sent.`,
    '',
    examples.length < recipients ? 'Some of the recipients:' : 'The recipients:',
    ...examples.map((address) => `  <${oneLine(address, 'utf-8')}>`),
    '',
  ];
  return lines.join('\r\n');
}
