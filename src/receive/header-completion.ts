/**
 * What is added to the header section of mail that is handed in here, by users who have logged in and by programs of this
 * machine (RFC 6409 §8, RFC 5322 §3.6): From, Date and Message-ID when they are missing, and a domain to addresses that
 * have none, as in `From: root (Cron Daemon)`. A field in which every address has its domain stays as it is, octet for octet.
 *
 * Bcc is taken out, here too: what lies in the pickup folder may come from any program.
 */

import { isUtf8 } from 'node:buffer';
import { withDomain } from '../mail/address-completion.ts';
import { encodeWords } from '../mail/encoded-word.ts';
import { type HeaderField, headerFields } from '../mail/header.ts';
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
  const domains = new DomainCompletion(kept, facts.domain);
  const whole = fields.map((field) => (written(field) ? domains.field(field) : kept.subarray(field.start, field.end)));
  return Buffer.concat([...whole, Buffer.from(missing.map(([name, value]) => `${name}: ${value}\r\n`).join(''))]);
}

export const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc'].flatMap((name) => [name, `resent-${name}`]),
);
/** Addresses of all fields together, and how much longer they may make the header section. */
const MAX_COMPLETED = 1000;
const MAX_GROWTH = 262_144;

/** What is not UTF-8 stays as it is, since nobody can say where what ends; so does what cannot be read. */
class DomainCompletion {
  readonly #section: Buffer;
  readonly #domain: string;
  #left = MAX_COMPLETED;
  #room = MAX_GROWTH;

  constructor(section: Buffer, domain: string) {
    this.#section = section;
    this.#domain = domain;
  }

  field({ name, start, valueStart, end }: HeaderField): Buffer {
    const asGiven = this.#section.subarray(start, end);
    const value = this.#section.subarray(valueStart, end);
    if (!ADDRESS_FIELDS.has(name) || !isUtf8(value)) return asGiven;
    const completed = withDomain(value.toString(), this.#domain, this.#left);
    if (completed === undefined || completed.count === 0) return asGiven;
    const text = Buffer.from(completed.text);
    const growth = text.length - value.length;
    if (growth > this.#room) return asGiven;
    this.#left -= completed.count;
    this.#room -= growth;
    return Buffer.concat([this.#section.subarray(start, valueStart), text]);
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
