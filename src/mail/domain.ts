/**
 * Domain names as mail uses them: parsed once at the edge, then trusted.
 *
 * A domain is kept as lower-case A-labels, so that two spellings of one name are one value everywhere
 * (comparison, maps, TLSA and MX names). U-labels come in by UTS-46, non-transitional, and go out only for display.
 *
 * A name that the mapping would shorten is refused: with a soft hyphen or another invisible character in it, one
 * program sees a different name than the next. So is a name that ends in a number (RFC 3696 §2), because half of the
 * world reads it as an IPv4 address.
 *
 * RFC 5321 §4.1.2 and §4.5.3.1.2, RFC 5890, RFC 6531 §3.3.
 */

import { domainToASCII, domainToUnicode } from 'node:url';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';

declare const domainBrand: unique symbol;

/** A DNS name as lower-case A-labels, without the final dot. Only `parseDomain` makes one. */
export type Domain = string & { readonly [domainBrand]: true };

const MAX_DOMAIN_OCTETS = 255;
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
// What `domainToASCII` would read as part of a URL (`/`, `%`, `:`) never gets that far.
const INTERNATIONAL = /^(?:[a-z0-9.-]|[^\0-\x7f])*$/i;
// The joiners are significant in some scripts; UTS-46 checks where they may stand.
const INVISIBLE = /(?![\u200c\u200d])\p{Default_Ignorable_Code_Point}/u;
const NUMERIC = /^(?:\d+|0x[0-9a-f]*)$/;

export function parseDomain(text: string): Parsed<Domain> {
  if (text === '') return unparsed('domain is empty');
  if (text.length > MAX_DOMAIN_OCTETS) return unparsed('domain is longer than 255 octets');
  const name = /^[\0-\x7f]*$/.test(text) ? parsed(text.toLowerCase()) : toAsciiLabels(text);
  if (!name.ok) return name;
  const problem = problemOf(name.value);
  return problem === undefined ? parsed(name.value as Domain) : unparsed(problem);
}

function toAsciiLabels(text: string): Parsed<string> {
  if (!INTERNATIONAL.test(text) || !text.isWellFormed()) return unparsed('domain has a character that none may have');
  if (INVISIBLE.test(text)) return unparsed('domain has an invisible character');
  const name = domainToASCII(text);
  return name === '' ? unparsed('domain is not a valid internationalized name') : parsed(name);
}

function problemOf(name: string): string | undefined {
  if (name.length > MAX_DOMAIN_OCTETS) return 'domain is longer than 255 octets';
  const labels = name.split('.');
  for (const label of labels) {
    if (label === '') return 'domain has an empty label';
    if (!LABEL.test(label)) return 'domain has a bad label';
    if (label.startsWith('xn--') && !isALabel(label)) return 'domain has a label that is not valid Punycode';
  }
  if (NUMERIC.test(labels.at(-1) ?? '')) return 'domain ends in a number; an address literal is written in brackets';
  return undefined;
}

/** The label decodes, and encodes back to itself. */
function isALabel(label: string): boolean {
  const decoded = domainToUnicode(label);
  return decoded !== label && !INVISIBLE.test(decoded) && domainToASCII(decoded) === label;
}
