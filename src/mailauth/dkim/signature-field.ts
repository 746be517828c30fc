/**
 * The DKIM-Signature field (RFC 6376 §3.5, RFC 8463): its text, and what of it is signed.
 *
 * Its length is known before the body is: `bh=` and `b=` have as many characters as the hash and the key say. So its place
 * can be kept free while the content is stored. Lines are at most 78 characters long where a name is not longer by itself.
 */

import { createHash } from 'node:crypto';
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
  /** `bh=`, in base64. */
  readonly bodyHash: string;
}

const MAX_LINE = 78;
const FIRST_VALUE_CHARACTERS = MAX_LINE - ' b='.length;
const VALUE_CHARACTERS = MAX_LINE - 1;
const ANY_BODY_HASH = '='.repeat(BODY_HASH_CHARACTERS);

/** The field with an empty `b=`, which is its last tag; without a CRLF at its end. */
export function unsignedField(tags: SignatureTags): string {
  const { algorithm, canonicalization, domain, selector, signedAt, expiresAt, bodyHash } = tags;
  const words = [
    'v=1;',
    `a=${algorithm};`,
    `c=${canonicalization.header}/${canonicalization.body};`,
    `d=${domain};`,
    `s=${selector};`,
    `t=${signedAt};`,
    ...(expiresAt === undefined ? [] : [`x=${expiresAt};`]),
  ];
  const lines = folded('DKIM-Signature:', words, ' ');
  return [...lines, ...folded(' h=', namesIn(tags.names), ''), ` bh=${bodyHash};`, ' b='].join('\r\n');
}

/** The whole field, with the CRLF at its end. `signature`: base64. */
export function signedField(unsigned: string, signature: string): string {
  const lines = [signature.slice(0, FIRST_VALUE_CHARACTERS)];
  for (let at = FIRST_VALUE_CHARACTERS; at < signature.length; at += VALUE_CHARACTERS)
    lines.push(signature.slice(at, at + VALUE_CHARACTERS));
  return `${unsigned}${lines.join('\r\n ')}\r\n`;
}

/** Octets of the whole field, which are the same for every body and every signature of so many octets. */
export function signedFieldOctets(tags: Omit<SignatureTags, 'bodyHash'>, signatureOctets: number): number {
  const characters = Math.ceil(signatureOctets / 3) * 4;
  return signedField(unsignedField({ ...tags, bodyHash: ANY_BODY_HASH }), '='.repeat(characters)).length;
}

/** What is hashed: the chosen fields of the header section, and the field itself without a value of `b=` (RFC 6376 §3.7). */
export function signedOctets(
  section: Buffer,
  fields: readonly HeaderField[],
  field: { readonly tags: SignatureTags; readonly unsigned: string },
): Buffer {
  const { canonicalization, names } = field.tags;
  const lines = selectFields(fields, names).map(({ start, end }) =>
    canonicalField(section.toString('latin1', start, end), canonicalization.header),
  );
  return Buffer.from([...lines, canonicalField(field.unsigned, canonicalization.header)].join('\r\n'), 'latin1');
}

/** What the key signs: with RSA the octets, which the operation hashes; with Ed25519 their hash (RFC 8463 §3). */
export function signatureInput(algorithm: SigningAlgorithm, octets: Buffer): Buffer {
  return algorithm === 'rsa-sha256' ? octets : createHash('sha256').update(octets).digest();
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
