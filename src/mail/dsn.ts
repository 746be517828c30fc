/**
 * Delivery status notifications as values, and the text of their machine-readable part (RFC 3464 §2).
 *
 * Text only: the part has per-message fields, an empty line, and one group of fields for each recipient
 * with an empty line between groups. Values come from other people's servers; `oneLine` makes each of
 * them one bounded line without control characters, so that no value can add a field.
 */

import { type Instant } from '../lib/time.ts';
import { formatDate } from './date.ts';
import { type DsnAddress, formatDsnAddress } from './dsn-address.ts';
import { type NoticeAction } from './notice.ts';
import { type EnhancedStatus } from './reply.ts';

export interface DsnMessageFields {
  /** ENVID with its xtext decoded. */
  readonly originalEnvelopeId: string | undefined;
  /** Host name of the MTA that reports. */
  readonly reportingMta: string;
  readonly arrivalDate: Instant | undefined;
  /** RFC 2852 §5. */
  readonly deliverByDate?: Instant | undefined;
}

export interface DsnRecipientFields {
  readonly originalRecipient: DsnAddress | undefined;
  readonly finalRecipient: DsnAddress;
  readonly action: NoticeAction;
  readonly status: EnhancedStatus;
  /** Host name or textual IP address; `''` when no other MTA took part. */
  readonly remoteMta: string;
  /** `smtp` for a reply, `x-postrider` for our own words. */
  readonly diagnosticType: 'smtp' | 'x-postrider';
  readonly diagnostic: string;
  readonly lastAttemptDate: Instant | undefined;
  /** Written only when the action is `delayed` (RFC 3464 §2.3.9). */
  readonly willRetryUntil: Instant | undefined;
}

/** `utf-8`: message/global-delivery-status (RFC 6533 §4). */
export type DsnCharset = 'ascii' | 'utf-8';

const MAX_VALUE = 900;
/** RFC 5322 §2.1.1 asks for at most 78 characters a line. */
const FOLD_AT = 78;

/** The content of the delivery-status part, with CRLF line ends. */
export function formatDsn(
  message: DsnMessageFields,
  recipients: readonly DsnRecipientFields[],
  charset: DsnCharset,
): string {
  const groups = recipients.map((recipient) => formatRecipient(recipient, charset));
  return [formatMessage(message, charset), ...groups].join('\r\n');
}

/** One line of at most `max` characters: controls, line breaks and runs of white space become one space. */
export function oneLine(text: string, charset: DsnCharset, max = MAX_VALUE): string {
  const flat = text
    .slice(0, max * 2)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029\s]+/gu, ' ')
    .trim();
  const readable = charset === 'utf-8' ? flat : flat.replaceAll(/[^\x20-\x7e]/gu, '?');
  return cut(readable, max);
}

/** Folds a header field at its spaces (RFC 5322 §2.2.3); never gives a line that is all white space. */
export function foldField(name: string, value: string): string {
  const first = `${name}:`;
  let line = first;
  let text = '';
  for (const word of value.split(' ').filter((part) => part !== '')) {
    if (line.length + 1 + word.length > FOLD_AT && line !== first) {
      text += `${line}\r\n`;
      line = '';
    }
    line += ` ${word}`;
  }
  return `${text}${line}\r\n`;
}

function formatMessage(message: DsnMessageFields, charset: DsnCharset) {
  const { originalEnvelopeId, reportingMta, arrivalDate, deliverByDate } = message;
  return (
    (originalEnvelopeId === undefined ? '' : field('Original-Envelope-Id', originalEnvelopeId, charset)) +
    field('Reporting-MTA', mtaName(reportingMta), charset) +
    dateField('Arrival-Date', arrivalDate) +
    dateField('Deliver-By-Date', deliverByDate)
  );
}

function formatRecipient(recipient: DsnRecipientFields, charset: DsnCharset): string {
  const { originalRecipient, finalRecipient, action, diagnostic, remoteMta } = recipient;
  const lines = [
    originalRecipient === undefined ? '' : addressField('Original-Recipient', originalRecipient, charset),
    addressField('Final-Recipient', finalRecipient, charset),
    field('Action', action, charset),
    field('Status', statusOf(recipient), charset),
    remoteMta === '' ? '' : field('Remote-MTA', mtaName(remoteMta), charset),
    diagnostic === '' ? '' : field('Diagnostic-Code', `${recipient.diagnosticType}; ${diagnostic}`, charset),
    dateField('Last-Attempt-Date', recipient.lastAttemptDate),
    action === 'delayed' ? dateField('Will-Retry-Until', recipient.willRetryUntil) : '',
  ];
  return lines.join('');
}

function field(name: string, value: string, charset: DsnCharset): string {
  return foldField(name, oneLine(value, charset));
}

/** Not folded at spaces: those of a quoted local part are part of the address. */
function addressField(name: string, address: DsnAddress, charset: DsnCharset): string {
  const text = formatDsnAddress(address, charset).replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?');
  return `${name}: ${cut(text, MAX_VALUE)}\r\n`;
}

/** A field line has at most 998 octets (RFC 5322 §2.1.1), and a character is never cut. */
function cut(text: string, max: number): string {
  if (text.length <= max && Buffer.byteLength(text) <= MAX_VALUE) return text;
  return Buffer.from(text.slice(0, max).toWellFormed())
    .subarray(0, MAX_VALUE)
    .toString('utf8')
    .replace(/\ufffd+$/, '');
}

function dateField(name: string, at: Instant | undefined): string {
  return at === undefined ? '' : `${name}: ${formatDate(at)}\r\n`;
}

/** RFC 3464 §2.1.2: the name type is `dns`, and an address that has no name stands in brackets. */
function mtaName(host: string): string {
  if (/^[0-9.]+$/.test(host)) return `dns; [${host}]`;
  return /^[0-9a-f.]*:[0-9a-f:.]*$/i.test(host) ? `dns; [IPv6:${host}]` : `dns; ${host}`;
}

/** A status that is none would make the group unreadable for programs. */
function statusOf({ status, action }: DsnRecipientFields): string {
  if (/^[245]\.\d{1,3}\.\d{1,3}$/.test(status)) return status;
  if (action === 'failed') return '5.0.0';
  return action === 'delayed' ? '4.0.0' : '2.0.0';
}
