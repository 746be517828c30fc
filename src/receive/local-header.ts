/**
 * What is added to the header section of a message that a local program handed in (RFC 6409 §8, RFC 5322 §3.6): From,
 * with the user's name. Only what is missing is added; nothing that is there is changed.
 *
 * Bcc is taken out, here too: what lies in the pickup folder may come from any program.
 */

import { encodeWords } from '../mail/encoded-word.ts';
import { headerFields } from '../mail/header.ts';
import { withoutBcc } from '../wire/sendmail/header-section.ts';

export interface LocalHeaderFacts {
  /** For From and Message-ID. */
  readonly address: string;
  readonly fullName: string;
  readonly date: string;
  /** What stands before the `@` of a Message-ID. */
  readonly id: string;
  readonly hostname: string;
}

/** Fields with their line ends in, fields out. What is sent again gets the Resent fields (RFC 5322 §3.6.6). */
export function completeHeader(section: Buffer, facts: LocalHeaderFacts): Buffer {
  const kept = withoutBcc(section);
  const names = new Set(headerFields(kept).map(({ name }) => name));
  const prefix = [...names].some((name) => name.startsWith('resent-')) ? 'Resent-' : '';
  const added = [
    ['From', `${phrase(facts.fullName)}<${facts.address}>`],
    ['Date', facts.date],
    ['Message-ID', `<${facts.id}@${facts.hostname}>`],
  ] as const;
  const missing = added
    .map(([name, value]) => [`${prefix}${name}`, value] as const)
    .filter(([name]) => !names.has(name.toLowerCase()));
  return Buffer.concat([kept, Buffer.from(missing.map(([name, value]) => `${name}: ${value}\r\n`).join(''))]);
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
  return `"${flat.replaceAll(/["\\]/g, '\\$&')}" `;
}
