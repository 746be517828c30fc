/**
 * Addresses as delivery status notifications write them: a type and a generic address.
 *
 * xtext of RFC 3461 §4, the `utf-8` address type of RFC 6533 §3. What a client sent us in ORCPT or ENVID is
 * hostile until shown otherwise: a decoded line break would forge fields, so nothing with a control
 * character in it is ever given out decoded.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { formatMailbox, type Mailbox } from './path.ts';

export interface DsnAddress {
  /** Lower case: `rfc822`, `utf-8`, or what the client named. */
  readonly type: string;
  /** Without control characters; has characters above 127 only if the type is `utf-8`. */
  readonly address: string;
}

const XTEXT = /^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*$/;
const TYPE = /^[A-Za-z0-9-]{1,40}$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** RFC 3461 §4.2 allows 500 characters in ORCPT. */
const MAX_ADDRESS = 500;

/** The text that xtext stands for, if it is printable ASCII; anything else must stay encoded. */
export function decodeXtext(xtext: string): Parsed<string> {
  if (!XTEXT.test(xtext)) return unparsed('not xtext');
  const text = xtext.replaceAll(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return PRINTABLE.test(text) ? parsed(text) : unparsed('xtext hides characters that are not printable');
}

/** The value of ORCPT: `rfc822;Bob@example.com` (xtext) or `utf-8;…` (RFC 6533 §3). */
export function parseOrcpt(orcpt: string): Parsed<DsnAddress> {
  const semicolon = orcpt.indexOf(';');
  const type = orcpt.slice(0, Math.max(0, semicolon)).toLowerCase();
  const encoded = orcpt.slice(semicolon + 1);
  if (!TYPE.test(type)) return unparsed('no address type');
  if (encoded === '' || encoded.length > MAX_ADDRESS) return unparsed('no address, or one that is too long');
  const address = type === 'utf-8' ? decodeUtf8Address(encoded) : decodeXtext(encoded);
  return address.ok ? parsed({ type, address: address.value }) : address;
}

/** The recipient's address as Final-Recipient names it. */
export function dsnAddressOf(mailbox: Mailbox): DsnAddress {
  const address = formatMailbox(mailbox);
  return { type: isAscii(address) ? 'rfc822' : 'utf-8', address };
}

/** `type;address`; where only ASCII may be written, the rest becomes `\x{…}` (utf-8-addr-unitext). */
export function formatDsnAddress({ type, address }: DsnAddress, charset: 'ascii' | 'utf-8'): string {
  if (charset === 'utf-8' || isAscii(address)) return `${type};${address}`;
  const escaped = [...address].map((c) => (isAscii(c) && c !== '\\' ? c : `\\x{${hexOf(c)}}`)).join('');
  return `utf-8;${escaped}`;
}

export function isAscii(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text);
}

/** `\x{…}` escapes, xtext and plain UTF-8 alike: clients mix them (RFC 6533 §3). */
function decodeUtf8Address(encoded: string): Parsed<string> {
  const text = encoded.replaceAll(
    /\\x\{([0-9A-F]{2,6})\}|\+([0-9A-F]{2})/g,
    (escape, wide?: string, octet?: string) => {
      const point = Number.parseInt(wide ?? octet ?? '', 16);
      return point > 0x10ffff || (octet !== undefined && point > 0x7f) ? escape : String.fromCodePoint(point);
    },
  );
  if (!text.isWellFormed() || /[\p{Cc}\u2028\u2029]/u.test(text)) return unparsed('an address with control characters');
  return parsed(text);
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0');
}
