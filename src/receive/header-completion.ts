/**
 * What is added to the header section of mail that is handed in here, by users who have logged in and by programs of this
 * machine (RFC 6409 §8, RFC 5322 §3.6): From, Date and Message-ID when they are missing, and a domain to addresses that
 * have none, as in `From: root (Cron Daemon)`. A field in which every address has its domain stays as it is, octet for octet.
 *
 * Bcc is taken out, here too: what lies in the pickup folder may come from any program.
 */

import { encodeWords } from '../mail/encoded-word.ts';
import { parseAddressList } from '../mail/address-list.ts';
import { fieldValue, type HeaderField, headerFields } from '../mail/header.ts';
import { withoutBcc } from '../wire/sendmail/header-section.ts';

export interface CompletionFacts {
  /** For From and Message-ID. */
  readonly address: string;
  readonly fullName: string;
  readonly date: string;
  /** What stands before the `@` of a Message-ID. */
  readonly id: string;
  readonly hostname: string;
  /** Of addresses that have none. */
  readonly domain: string;
  /** What is done. Absent: all of it. */
  readonly parts?: ReadonlySet<CompletionPart>;
}

export type CompletionPart = 'From' | 'Date' | 'Message-ID' | 'domains' | 'withoutBcc';

/** Fields with their line ends in, fields out. What is sent again gets the Resent fields (RFC 5322 §3.6.6). */
export function completeHeader(section: Buffer, facts: CompletionFacts): Buffer {
  const does = (part: CompletionPart): boolean => facts.parts?.has(part) ?? true;
  const kept = does('withoutBcc') ? withoutBcc(section) : section;
  const fields = headerFields(kept);
  const names = new Set(fields.map(({ name }) => name));
  const prefix = [...names].some((name) => name.startsWith('resent-')) ? 'Resent-' : '';
  const added = [
    ['From', `${phrase(facts.fullName)}<${facts.address}>`],
    ['Date', facts.date],
    ['Message-ID', `<${facts.id}@${facts.hostname}>`],
  ] as const;
  const missing = added
    .filter(([name]) => does(name))
    .map(([name, value]) => [`${prefix}${name}`, value] as const)
    .filter(([name]) => !names.has(name.toLowerCase()));
  // What was sent once stays as it was sent.
  const written = (field: HeaderField): boolean => does('domains') && field.name.startsWith(prefix.toLowerCase());
  const whole = fields.map((field) =>
    written(field) ? withDomains(kept, field, facts.domain) : kept.subarray(field.start, field.end),
  );
  return Buffer.concat([...whole, Buffer.from(missing.map(([name, value]) => `${name}: ${value}\r\n`).join(''))]);
}

export const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc'].flatMap((name) => [name, `resent-${name}`]),
);
/** So many recipients has a message at most. */
export const MAX_LISTED = 1000;
/** Groups are left alone; so is what is not UTF-8. */
const NOT_OURS_TO_WRITE = /[:;\ufffd]/;

function withDomains(section: Buffer, field: HeaderField, domain: string): Buffer {
  const asGiven = section.subarray(field.start, field.end);
  if (!ADDRESS_FIELDS.has(field.name)) return asGiven;
  const value = fieldValue(section, field);
  const listed = NOT_OURS_TO_WRITE.test(value) ? undefined : parseAddressList(value, MAX_LISTED);
  if (listed?.ok !== true || listed.value.every(({ address }) => hasDomain(address))) return asGiven;
  const written = listed.value.map((each) => {
    const address = hasDomain(each.address) ? each.address : `${each.address}@${domain}`;
    return each.name === '' ? address : `${displayName(each.name)} <${address}>`;
  });
  const name = section.toString('latin1', field.start, field.valueStart - 1).trimEnd();
  return Buffer.from(`${name}: ${written.join(',\r\n\t')}\r\n`);
}

/** An `@` inside a quoted local part is not the one before a domain. */
export function hasDomain(address: string): boolean {
  return /^(?:"(?:[^"\\]|\\.)*"|[^"@])*@/.test(address);
}

/** As it stood, but for what must be quoted or encoded. */
function displayName(name: string): string {
  const flat = name.replaceAll(/\p{Cc}+/gu, ' ').trim();
  if (PLAIN.test(flat)) return flat;
  return /^[\x20-\x7e]*$/.test(flat) ? quoted(flat) : encodeWords(flat);
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

// RFC 5322 §3.2.5: a phrase of these needs no quotes.
const PLAIN = /^[\w!#$%&'*+\-/=?^`{|}~ ]*$/;
const MAX_NAME = 200;

function phrase(fullName: string): string {
  const flat = fullName
    .toWellFormed()
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_NAME);
  if (flat === '') return '';
  const encoded = encodeWords(flat);
  if (encoded !== flat || PLAIN.test(flat)) return `${encoded} `;
  return `${quoted(flat)} `;
}
