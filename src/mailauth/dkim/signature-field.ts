/**
 * The DKIM-Signature field (RFC 6376 §3.5, RFC 8463): its text, and what of it is signed.
 *
 * Its length is known before the body is: `bh=` and `b=` have as many characters as the hash and the key say. So its place
 * can be kept free while the content is stored. Lines are at most 78 characters long where a name is not longer by itself.
 */

import { hash } from 'node:crypto';
import { type HeaderField } from '../../mail/header.ts';
import { BODY_HASH_CHARACTERS } from './body-hash.ts';
import { type Canonicalization } from './canonical-body.ts';
import { canonicalField } from './canonical-header.ts';
import { selectFields } from './header-selection.ts';

/** RFC 8301 §3.1 leaves no other with RSA. */
export type SigningAlgorithm = 'rsa-sha256' | 'ed25519-sha256';

export interface Canonicalizations {
  readonly header: Canonicalization;
  readonly body: Canonicalization;
}

export interface SignatureTags {
  readonly algorithm: SigningAlgorithm;
  readonly canonicalization: Canonicalizations;
  /** `d=`: the SDID. */
  readonly domain: string;
  readonly selector: string;
  /** `h=`. */
  readonly names: readonly string[];
  /** `t=`, `x=`: seconds since 1970. */
  readonly signedAt: number;
  readonly expiresAt: number | undefined;
}

const MAX_LINE = 78;
const FIRST_VALUE_CHARACTERS = MAX_LINE - ' b='.length;
const VALUE_CHARACTERS = MAX_LINE - 1;
const FOLD = '\r\n ';
/** From the body hash to the signature. */
const BETWEEN = ';\r\n b=';
const RELAXED_BETWEEN = '; b=';

/** A field, or its beginning: as it is written, and as it is hashed. */
export interface FieldText {
  readonly written: string;
  readonly canonical: string;
}

/** All that is known before the body is: the field up to `bh=`. The same for all messages with these tags. */
export function fieldBeginning(tags: SignatureTags): FieldText {
  const written = beginningOf(tags);
  return { written, canonical: canonicalField(written, tags.canonicalization.header) };
}

function beginningOf(tags: SignatureTags): string {
  const { algorithm, canonicalization, domain, selector, signedAt, expiresAt, names } = tags;
  const words = [
    'v=1;',
    `a=${algorithm};`,
    `c=${canonicalization.header}/${canonicalization.body};`,
    `d=${domain};`,
    `s=${selector};`,
    `t=${signedAt};`,
    ...(expiresAt === undefined ? [] : [`x=${expiresAt};`]),
  ];
  return [...folded('DKIM-Signature:', words, ' '), ...folded(' h=', namesIn(names), ''), ' bh='].join('\r\n');
}

/** With an empty `b=`, which is the last tag; without a CRLF at the end. */
export function unsignedField({ written, canonical }: FieldText, bodyHash: string, form: Canonicalization): FieldText {
  const between = form === 'simple' ? BETWEEN : RELAXED_BETWEEN;
  return { written: `${written}${bodyHash}${BETWEEN}`, canonical: `${canonical}${bodyHash}${between}` };
}

/** The whole field, with the CRLF at its end. `signature`: base64. */
export function signedField({ written }: FieldText, signature: string): string {
  let field = `${written}${signature.slice(0, FIRST_VALUE_CHARACTERS)}`;
  for (let at = FIRST_VALUE_CHARACTERS; at < signature.length; at += VALUE_CHARACTERS)
    field += `${FOLD}${signature.slice(at, at + VALUE_CHARACTERS)}`;
  return `${field}\r\n`;
}

/** Octets of the whole field, which are the same for every body and every signature of so many octets. */
export function signedFieldOctets({ written }: FieldText, signatureOctets: number): number {
  const characters = Math.ceil(signatureOctets / 3) * 4;
  const folds = Math.max(0, Math.ceil((characters - FIRST_VALUE_CHARACTERS) / VALUE_CHARACTERS));
  const fixed = BODY_HASH_CHARACTERS + BETWEEN.length + '\r\n'.length;
  return written.length + fixed + characters + folds * FOLD.length;
}

/** The chosen fields of the header section as they are hashed, which are the same for every signature with these names. */
export function signedFields(
  section: Buffer,
  fields: readonly HeaderField[],
  { names, canonicalization }: Pick<SignatureTags, 'names' | 'canonicalization'>,
): string {
  let lines = '';
  for (const { start, end } of selectFields(fields, names))
    lines += `${canonicalField(section.toString('latin1', start, end), canonicalization.header)}\r\n`;
  return lines;
}

/** What is hashed: those fields, and the field itself without a value of `b=` (RFC 6376 §3.7). */
export function signedOctets(lines: string, { canonical }: FieldText): Buffer {
  return Buffer.from(`${lines}${canonical}`, 'latin1');
}

/** What the key signs: with RSA the octets, which the operation hashes; with Ed25519 their hash (RFC 8463 §3). */
export function signatureInput(algorithm: SigningAlgorithm, octets: Buffer): Buffer {
  return algorithm === 'rsa-sha256' ? octets : hash('sha256', octets, 'buffer');
}

/** Names with the colons between them, and the semicolon behind the last. */
function namesIn(names: readonly string[]): readonly string[] {
  return names.map((name, i) => (i === names.length - 1 ? `${name};` : `${name}:`));
}

function folded(head: string, words: readonly string[], between: string): readonly string[] {
  const lines: string[] = [];
  let line = head;
  for (const word of words) {
    if (line.length + between.length + word.length <= MAX_LINE) line += `${between}${word}`;
    else {
      lines.push(line);
      line = ` ${word}`;
    }
  }
  return [...lines, line];
}
