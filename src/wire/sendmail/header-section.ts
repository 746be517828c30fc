/**
 * The header section of what a local program sends: where it ends, whom it names, and what must not go out.
 *
 * Programs write a body without any header section, a section without the empty line behind it, or the `From ` line of
 * a mailbox file before it. Whatever it is, what comes out has fields, then an empty line, then the body, so that every
 * reader behind us sees the same.
 */

import { type Parsed, parsed, unparsed } from '../../lib/parsed.ts';
import { parseAddressList } from '../../mail/address-list.ts';
import { fieldValue, type HeaderField, headerEnd, headerFields } from '../../mail/header.ts';

export interface CutHeader {
  /** Only fields, each with its line end. */
  readonly section: Buffer;
  /** What follows the empty line, as far as it has come. */
  readonly body: Buffer;
}

const EMPTY_LINE = Buffer.from('\r\n');
const MAILBOX_LINE = /^>?From [^\r\n]*\r\n/;
// Longer than any such line, shorter than what one looks at twice.
const MAX_MAILBOX_LINE = 1024;

/** Octets with CRLF line ends; undefined while the end of the section has not come. `all`: no more comes. */
export function cutHeader(octets: Buffer, all: 'all' | 'more'): CutHeader | undefined {
  const mailboxLine = MAILBOX_LINE.exec(octets.toString('latin1', 0, MAX_MAILBOX_LINE))?.[0].length ?? 0;
  const from = octets.subarray(mailboxLine);
  if (all === 'more' && headerEnd(from) === -1) return undefined;
  const end = headerFields(from).at(-1)?.end ?? 0;
  const body = from.subarray(end);
  const separated = body.subarray(0, EMPTY_LINE.length).equals(EMPTY_LINE);
  return { section: from.subarray(0, end), body: separated ? body.subarray(EMPTY_LINE.length) : body };
}

/** The fields with an empty line behind them. */
export function withEmptyLine(section: Buffer): Buffer {
  return Buffer.concat([section, EMPTY_LINE]);
}

const RECIPIENT_FIELDS = ['to', 'cc', 'bcc'];
const RESENT_FIELDS = ['resent-to', 'resent-cc', 'resent-bcc'];

/** Whom a message is for by its header section: what is sent again, only those of the Resent fields (RFC 5322 §3.6.6). */
export function recipientsIn(section: Buffer, limit: number): Parsed<readonly string[]> {
  const fields = headerFields(section);
  const names = fields.some(({ name }) => RESENT_FIELDS.includes(name)) ? RESENT_FIELDS : RECIPIENT_FIELDS;
  const found: string[] = [];
  for (const field of fields) {
    if (!names.includes(field.name)) continue;
    const listed = parseAddressList(fieldValue(section, field), limit);
    if (!listed.ok) return unparsed(`${capital(field.name)}: ${listed.reason}`);
    for (const { address } of listed.value) found.push(address);
  }
  return parsed(found);
}

function capital(name: string): string {
  return name.replaceAll(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** Bcc and Resent-Bcc name whom nobody else is to know of (RFC 5322 §3.6.3). */
export function withoutBcc(section: Buffer): Buffer {
  return without(section, ({ name }) => BLIND_FIELDS.has(name));
}

export const BLIND_FIELDS: ReadonlySet<string> = new Set(['bcc', 'resent-bcc']);

function without(section: Buffer, unwanted: (field: HeaderField) => boolean): Buffer {
  const kept = headerFields(section).filter((field) => !unwanted(field));
  return Buffer.concat(kept.map(({ start, end }) => section.subarray(start, end)));
}
