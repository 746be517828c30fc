/**
 * Addresses as delivery status notifications write them: a type and a generic address.
 *
 * The `rfc822` type of RFC 3461 §4.2 and the `utf-8` type of RFC 6533 §3. What a client sent us in ORCPT or ENVID is
 * hostile until shown otherwise: a decoded line break would forge fields, so nothing with a control
 * character in it is ever given out decoded.
 */

import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { formatMailbox, type Mailbox } from './path.ts';
import { decodeUtf8Address, decodeXtext } from './xtext.ts';

export interface DsnAddress {
  /** Lower case: `rfc822`, `utf-8`, or what the client named. */
  readonly type: string;
  /** Without control characters; has characters above 127 only if the type is `utf-8`. */
  readonly address: string;
}

const CONTROL = /[\p{Cc}\u2028\u2029]/u;
const TYPE = /^[A-Za-z0-9-]{1,40}$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** RFC 3461 §4.2 allows 500 characters in ORCPT. */
const MAX_ADDRESS = 500;

/** ENVID as Original-Envelope-Id shows it: decoded if that is printable ASCII, else as it came. */
export function printableXtext(xtext: string): Parsed<string> {
  const text = decodeXtext(xtext);
  if (!text.ok) return text;
  return PRINTABLE.test(text.value) ? text : unparsed('xtext hides characters that are not printable ASCII');
}

/** What ORCPT names: `rfc822;Bob@example.com` (xtext), or `utf-8;…` encoded or as it is (RFC 6533 §3). */
export function dsnAddressOfOrcpt(orcpt: string): Parsed<DsnAddress> {
  const semicolon = orcpt.indexOf(';');
  const type = orcpt.slice(0, Math.max(0, semicolon)).toLowerCase();
  const encoded = orcpt.slice(semicolon + 1);
  if (!TYPE.test(type)) return unparsed('no address type');
  if (encoded === '' || encoded.length > MAX_ADDRESS) return unparsed('no address, or one that is too long');
  const address = type === 'utf-8' ? utf8Address(encoded) : printableXtext(encoded);
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

/** With SMTPUTF8 a client may send the address as it is: then it is not an encoding of anything. */
function utf8Address(text: string): Parsed<string> {
  const decoded = decodeUtf8Address(text);
  const address = decoded.ok ? decoded.value : text;
  if (!address.isWellFormed() || CONTROL.test(address)) return unparsed('an address with control characters');
  return parsed(address);
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0');
}
