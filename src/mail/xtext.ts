/**
 * Text inside SMTP parameters: `xtext` (RFC 3461 §4) and the address encodings of RFC 6533 §3.
 *
 * What is decoded may end up in the header of a DSN, so nothing decodes to a control character: neither an encoded
 * line end nor a NUL gets through.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
// QCHAR and UTF8-non-ascii, or an EmbeddedUnicodeChar; `+`, `=` and `\` only come embedded.
const UTF8_ADDRESS = /^(?:[!-*,-<>-[\]-~\u{80}-\u{10ffff}]|\\x\{[0-9A-F]{2,6}\})+$/iu;
const CONTROL = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Everything outside of printable ASCII, and `+` and `=`, as `+` and two hexadecimal digits of each UTF-8 octet. */
export function encodeXtext(text: string): string {
  return text.replaceAll(/[^!-*,-<>-~]/gu, (character) =>
    Array.from(Buffer.from(character), (octet) => `+${hex(octet)}`).join(''),
  );
}

export function decodeXtext(text: string): Parsed<string> {
  if (!XTEXT.test(text)) return unparsed('not xtext');
  const octets = Buffer.from(
    text.replaceAll(/\+(..)/g, (_, digits: string) => octet(digits)),
    'latin1',
  );
  return decoded(octets.toString('utf8'));
}

/** What stands behind `utf-8;` in ORCPT, in either of its encoded forms. */
export function decodeUtf8Address(text: string): Parsed<string> {
  if (!UTF8_ADDRESS.test(text)) return unparsed('not an encoded UTF-8 address');
  const points = Array.from(text.matchAll(/\\x\{([^}]*)\}/gi), ([, digits = '']) => Number.parseInt(digits, 16));
  if (points.some((point) => point > 0x10ffff)) return unparsed('not a Unicode character');
  return decoded(
    text.replaceAll(/\\x\{([^}]*)\}/gi, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 16))),
  );
}

function decoded(text: string): Parsed<string> {
  // U+FFFD is what octets that are not UTF-8 become.
  if (text.includes('\ufffd') || !text.isWellFormed()) return unparsed('not UTF-8');
  return CONTROL.test(text) ? unparsed('encodes a control character') : parsed(text);
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}

function octet(digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}
