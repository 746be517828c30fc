/**
 * What is added to the header section of mail that is handed in here, by users who have logged in and by programs of this
 * machine (RFC 6409 §8, RFC 5322 §3.6): From, Date and Message-ID when they are missing, and a domain to addresses that
 * have none, as in `From: root (Cron Daemon)`. A field in which every address has its domain stays as it is, octet for octet.
 *
 * Bcc is taken out, here too: what lies in the pickup folder may come from any program.
 */

import { isUtf8 } from 'node:buffer';
import { withDomain } from '../mail/address-completion.ts';
import { hasDomain } from '../mail/address-list.ts';
import { encodeWords } from '../mail/encoded-word.ts';
import { type HeaderField } from '../mail/header.ts';
import { type HeaderSection } from '../mail/header-section.ts';
import { BLIND_FIELDS } from '../wire/sendmail/header-section.ts';

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
  /** Further fields, with their line ends. */
  readonly more?: string;
}

export type CompletionPart = 'From' | 'Date' | 'Message-ID' | 'domains' | 'withoutBcc';

/** What is sent again gets the Resent fields (RFC 5322 §3.6.6). The octets that were given when nothing is to be done. */
export function completeHeader(given: HeaderSection, facts: CompletionFacts): Buffer {
  const does = (part: CompletionPart): boolean => facts.parts?.has(part) ?? true;
  const isHidden = (field: HeaderField): boolean => does('withoutBcc') && BLIND_FIELDS.has(field.name);
  const names = new Set(given.fields.filter((field) => !isHidden(field)).map(({ name }) => name));
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
  const domains = new DomainCompletion(given, facts.domain);
  const changed = (field: HeaderField): Buffer | undefined => {
    if (isHidden(field)) return NOTHING;
    return written(field) ? domains.field(field) : undefined;
  };
  const more = `${missing.map(([name, value]) => `${name}: ${value}\r\n`).join('')}${facts.more ?? ''}`;
  return edited(given, changed, more);
}

/** `changed`: undefined for a field that stays as it is. `more`: what comes behind the last. */
function edited(
  { octets, fields, fieldsEnd }: HeaderSection,
  changed: (field: HeaderField) => Buffer | undefined,
  more: string,
): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const field of fields) {
    const other = changed(field);
    if (other === undefined) continue;
    pieces.push(octets.subarray(at, field.start), other);
    at = field.end;
  }
  if (at === 0 && more === '') return octets;
  return Buffer.concat([...pieces, octets.subarray(at, fieldsEnd), Buffer.from(more), octets.subarray(fieldsEnd)]);
}

const NOTHING = Buffer.alloc(0);

export const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc'].flatMap((name) => [name, `resent-${name}`]),
);
/** Addresses of all fields together, and how much longer they may make the header section. */
const MAX_COMPLETED = 1000;
const MAX_GROWTH = 262_144;

/** What is not UTF-8 stays as it is, since nobody can say where what ends; so does what cannot be read. */
class DomainCompletion {
  readonly #section: HeaderSection;
  readonly #domain: string;
  #left = MAX_COMPLETED;
  #room = MAX_GROWTH;

  constructor(section: HeaderSection, domain: string) {
    this.#section = section;
    this.#domain = domain;
  }

  /** Undefined: it stays as it is. */
  field(field: HeaderField): Buffer | undefined {
    if (!ADDRESS_FIELDS.has(field.name)) return undefined;
    const list = this.#section.addresses(field);
    if (!list.ok || list.value.every(({ address }) => hasDomain(address))) return undefined;
    return this.#completed(field);
  }

  #completed({ start, valueStart, end }: HeaderField): Buffer | undefined {
    const { octets } = this.#section;
    const value = octets.subarray(valueStart, end);
    if (!isUtf8(value)) return undefined;
    const completed = withDomain(value.toString(), this.#domain, this.#left);
    if (completed === undefined || completed.count === 0) return undefined;
    const text = Buffer.from(completed.text);
    const growth = text.length - value.length;
    if (growth > this.#room) return undefined;
    this.#left -= completed.count;
    this.#room -= growth;
    return Buffer.concat([octets.subarray(start, valueStart), text]);
  }
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
