/**
 * Header fields as they are signed (RFC 6376 §3.4.1, §3.4.2).
 *
 * A field is text in which each character is one octet (latin1), so that octets above 127 stay as they are; of white
 * space only spaces, tabs and the line ends of folding are touched, not what Unicode calls so.
 */

import { type Canonicalization } from './canonical-body.ts';

const FOLD = /\r\n(?=[ \t])/g;
const SPACE = /[ \t]/;
const SPACES = /[ \t]+/g;
/** Anything but single spaces. */
const UNUSUAL = /[ \t][ \t]|[\t\r]/;

/** `field`: name, colon and value, with or without the CRLF at its end; the result is without. */
export function canonicalField(field: string, form: Canonicalization): string {
  const line = field.endsWith('\r\n') ? field.slice(0, -2) : field;
  if (form === 'simple') return line;
  const colon = line.indexOf(':');
  const name = line.slice(0, colon).toLowerCase();
  const written = line.slice(colon + 1);
  const value = UNUSUAL.test(written) ? written.replaceAll(FOLD, '').replaceAll(SPACES, ' ') : written;
  return `${SPACE.test(name) ? name.replaceAll(SPACES, '') : name}:${withoutEnds(value)}`;
}

/** Of spaces there is one at most at each end. */
function withoutEnds(value: string): string {
  const from = value.startsWith(' ') ? 1 : 0;
  return value.slice(from, value.endsWith(' ') ? -1 : undefined);
}
