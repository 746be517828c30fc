/** The content of a DSN as octets: header section and the three parts of multipart/report (RFC 6522). */

import { type Instant } from '../lib/time.ts';
import { formatDate } from '../mail/date.ts';
import { type DsnCharset, type DsnRecipientFields, foldField, formatDsn, oneLine } from '../mail/dsn.ts';
import { printableXtext, type DsnAddress, dsnAddressOf, isAscii, dsnAddressOfOrcpt } from '../mail/dsn-address.ts';
import { type Envelope } from '../mail/envelope.ts';
import { fieldValue, headerFields } from '../mail/header.ts';
import { type Notice, type NoticeAction } from '../mail/notice.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { humanPart } from './human-part.ts';
import { bufferOf, hasEightBit, type ReturnableContent, type ReturnedPart, returnedPart } from './returned-part.ts';

export interface DsnContentInput {
  readonly id: QueueId;
  readonly now: Instant;
  readonly reportingMta: string;
  readonly to: Mailbox;
  readonly postmaster: Mailbox;
  readonly about: { readonly id: QueueId; readonly envelope: Envelope; readonly acceptedAt: Instant };
  readonly notices: readonly Notice[];
  /** The worst of the notices' actions. */
  readonly action: NoticeAction;
  readonly doubleBounce: boolean;
  readonly content: ReturnableContent | undefined;
  readonly options: { readonly maxReturnedOctets: number; readonly returnUnasked: 'FULL' | 'HDRS' };
}

const SUBJECTS: Readonly<Record<NoticeAction, string>> = {
  failed: 'Undelivered mail returned to sender',
  delayed: 'Delayed mail (still being tried)',
  relayed: 'Mail handed on (relayed)',
  expanded: 'Mail sent on to a list',
  delivered: 'Mail delivered',
};

interface Part {
  readonly type: string;
  readonly description: string;
  readonly octets: Buffer;
  readonly eightBit: boolean;
}

export function dsnContent(input: DsnContentInput): { readonly octets: Buffer; readonly eightBit: boolean } {
  const parts = partsOf(input);
  const boundary = boundaryFor(input.id, parts);
  const partsEightBit = parts.some((part) => part.eightBit);
  const head = Buffer.from(headerSection(input, boundary, partsEightBit ? '8bit' : '7bit'));
  const body = parts.flatMap((part) => [Buffer.from(partHead(part, boundary)), part.octets, CRLF]);
  const preamble = 'This is a delivery status notification in MIME format.\r\n';
  const octets = Buffer.concat([head, Buffer.from(preamble), ...body, Buffer.from(`--${boundary}--\r\n`)]);
  return { octets, eightBit: partsEightBit || hasEightBit(head) };
}

const CRLF = Buffer.from('\r\n');

function partsOf(input: DsnContentInput): readonly Part[] {
  const { about, notices, reportingMta, content } = input;
  const charset = charsetOf(input);
  const recipients = notices.map(recipientFields);
  const returned = content === undefined ? undefined : returnedPart(content, wholeOrNot(input, content));
  const messageFields = {
    originalEnvelopeId: envelopeIdOf(about.envelope.envid),
    reportingMta,
    arrivalDate: about.acceptedAt,
    deliverByDate: about.envelope.deliverBy?.at,
  };
  const human = humanPart({
    reportingMta,
    postmaster: formatMailbox(input.postmaster),
    queueId: about.id,
    acceptedAt: about.acceptedAt,
    recipients,
    returned: returnedWord(returned),
    doubleBounce: input.doubleBounce,
    charset,
  });
  const utf8 = charset === 'utf-8';
  const status = textPart(utf8 ? 'message/global-delivery-status' : 'message/delivery-status', 'Delivery report', {
    text: formatDsn(messageFields, recipients, charset),
  });
  const words = textPart(`text/plain; charset=${utf8 ? 'utf-8' : 'us-ascii'}`, 'Notification', { text: human });
  return returned === undefined ? [words, status] : [words, status, { ...returned, description: describe(returned) }];
}

/** RFC 6533 §4: UTF-8 only for a sender whose message, or whose address, had it. */
function charsetOf({ to, about, notices }: DsnContentInput): DsnCharset {
  if (!isAscii(formatMailbox(to))) return 'utf-8';
  if (!about.envelope.smtpUtf8) return 'ascii';
  const recipients = notices
    .map(recipientFields)
    .flatMap((fields) => [fields.finalRecipient, fields.originalRecipient]);
  return recipients.every((address) => address === undefined || isAscii(address.address)) ? 'ascii' : 'utf-8';
}

/** RFC 3461 §4.3: RET governs failures; a report of anything else never returns the whole message. */
function wholeOrNot({ about, notices, options }: DsnContentInput, { octets }: ReturnableContent) {
  const failed = notices.some((notice) => notice.action === 'failed');
  const asked = (about.envelope.ret ?? options.returnUnasked) === 'FULL';
  const binary = about.envelope.body === 'BINARYMIME';
  const whole = failed && asked && !binary && octets.length <= options.maxReturnedOctets;
  return { whole, utf8: about.envelope.smtpUtf8 };
}

function recipientFields(notice: Notice): DsnRecipientFields {
  const { recipient, diagnostic } = notice;
  return {
    originalRecipient: recipient.orcpt === undefined ? undefined : originalRecipientOf(recipient.orcpt),
    finalRecipient: dsnAddressOf(recipient.forwardPath),
    action: notice.action,
    status: notice.status,
    remoteMta: notice.remoteMta,
    diagnosticType: /^[2-5]\d\d(?:[ -]|$)/.test(diagnostic) ? 'smtp' : 'x-postrider',
    diagnostic: diagnostic.replace(/^postrider: */, ''),
    lastAttemptDate: notice.at,
    willRetryUntil: notice.willRetryUntil,
  };
}

/** What cannot be decoded safely is given back as it came, if at least that is printable. */
function originalRecipientOf(orcpt: string): DsnAddress | undefined {
  const decoded = dsnAddressOfOrcpt(orcpt);
  if (decoded.ok) return decoded.value;
  const raw = /^([A-Za-z0-9-]{1,40});([\x21-\x7e]{1,500})$/.exec(orcpt);
  return raw === null ? undefined : { type: (raw[1] ?? '').toLowerCase(), address: raw[2] ?? '' };
}

function envelopeIdOf(envid: string | undefined): string | undefined {
  if (envid === undefined || envid === '') return undefined;
  const decoded = printableXtext(envid);
  return decoded.ok ? decoded.value : oneLine(envid, 'ascii', 300);
}

function textPart(type: string, description: string, { text }: { readonly text: string }): Part {
  const octets = Buffer.from(text, 'utf8');
  return { type, description, octets, eightBit: hasEightBit(octets) };
}

function returnedWord(part: ReturnedPart | undefined): 'whole' | 'headers' | 'nothing' {
  if (part === undefined) return 'nothing';
  return part.type === 'message/rfc822' || part.type === 'message/global' ? 'whole' : 'headers';
}

function describe(part: ReturnedPart): string {
  return returnedWord(part) === 'whole' ? 'Undelivered message' : 'Header of the message';
}

function partHead({ type, description, eightBit }: Part, boundary: string): string {
  const encoding = eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '';
  return `--${boundary}\r\nContent-Description: ${description}\r\nContent-Type: ${type}\r\n${encoding}\r\n`;
}

function headerSection(input: DsnContentInput, boundary: string, encoding: '7bit' | '8bit'): string {
  const { id, now, reportingMta, to, about, content } = input;
  const host = oneLine(reportingMta, 'ascii', 255);
  const original = content === undefined ? undefined : messageIdFieldOf(content.octets);
  const subject = input.doubleBounce ? 'Undeliverable report (double bounce)' : SUBJECTS[input.action];
  const fields = [
    foldField('From', `"Mail Delivery System" <MAILER-DAEMON@${host}>`),
    // Not folded: a quoted local part may hold spaces.
    `To: <${formatMailbox(to).replaceAll(/\p{Cc}/gu, '?')}>\r\n`,
    foldField('Subject', subject),
    `Date: ${formatDate(now)}\r\n`,
    `Message-ID: <${id}@${host}>\r\n`,
    original === undefined ? '' : `In-Reply-To: ${original}\r\nReferences: ${original}\r\n`,
    `X-Postrider-About: ${about.id}\r\n`,
    'Auto-Submitted: auto-replied\r\n',
    'MIME-Version: 1.0\r\n',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
    encoding === '8bit' ? 'Content-Transfer-Encoding: 8bit\r\n' : '',
  ];
  return `${fields.join('')}\r\n`;
}

/** The Message-ID of the message, if it is one that may be repeated in a header section of ours. */
function messageIdFieldOf(octets: Uint8Array): string | undefined {
  const head = bufferOf(octets);
  const field = headerFields(head, 1000).find(({ name }) => name === 'message-id');
  if (field === undefined || field.end - field.start > 1000) return undefined;
  const value = fieldValue(head, field);
  return /^<[\x21-\x3b=\x3f-\x7e]{1,250}>$/.test(value) ? value : undefined;
}

/** A line of the returned message must not end its part: then another boundary is taken. */
function boundaryFor(id: QueueId, parts: readonly Part[]): string {
  for (let n = 0; ; n++) {
    const boundary = `=_${id}_${n}`;
    if (!parts.some((part) => part.octets.includes(`--${boundary}`))) return boundary;
  }
}
