/**
 * What a DSN gives back of the message it tells of: the third part (RFC 6522 §3, RFC 6533 §5 and §6).
 *
 * The whole message only if it is small and could itself be sent as it is; else its header section, made
 * fit to be sent.
 */

import { isUtf8 } from 'node:buffer';
import { headerEnd } from '../mail/header.ts';

export interface ReturnableContent {
  /** The whole content, or its beginning: at least the header section if that is not too long. */
  readonly octets: Uint8Array;
  /** Nothing is missing. */
  readonly complete: boolean;
}

export interface ReturnedPart {
  readonly type: 'message/rfc822' | 'text/rfc822-headers' | 'message/global' | 'message/global-headers';
  readonly octets: Buffer;
  readonly eightBit: boolean;
}

// Postfix and Exim cut returned mail at similar sizes; a header section longer than this tells nobody more.
const MAX_HEADER_OCTETS = 32 * 1024;
// RFC 5322 §2.1.1, without the CRLF.
const MAX_LINE_OCTETS = 998;
const LF = 0x0a;

/** `utf8`: the message was sent with SMTPUTF8, so its header section may hold UTF-8 (RFC 6532). */
export function returnedPart(
  content: ReturnableContent,
  { whole, utf8 }: { readonly whole: boolean; readonly utf8: boolean },
): ReturnedPart | undefined {
  const octets = bufferOf(content.octets);
  const headerSection = sendableLines(headerSectionOf(octets));
  const global = utf8 && hasEightBit(headerSection) && isUtf8(headerSection);
  if (whole && content.complete && isSendable(octets))
    return { type: global ? 'message/global' : 'message/rfc822', octets, eightBit: hasEightBit(octets) };
  if (headerSection.length === 0) return undefined;
  const type = global ? 'message/global-headers' : 'text/rfc822-headers';
  return { type, octets: headerSection, eightBit: hasEightBit(headerSection) };
}

/** The same memory as a `Buffer`. */
export function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

export function hasEightBit(octets: Uint8Array): boolean {
  return octets.some((octet) => octet > 127);
}

/** Whole lines only: a header section that does not end here is cut behind a line. */
function headerSectionOf(octets: Buffer): Buffer {
  const end = headerEnd(octets);
  const section = end === -1 ? octets : octets.subarray(0, end - 2);
  if (end !== -1 && section.length <= MAX_HEADER_OCTETS) return section;
  const capped = section.subarray(0, MAX_HEADER_OCTETS);
  return capped.subarray(0, capped.lastIndexOf(LF) + 1);
}

/** No NUL, no bare CR or LF, no line that is too long: it was so when it came, and is not sent on in our name. */
function isSendable(octets: Buffer): boolean {
  let start = 0;
  while (start < octets.length) {
    const lf = octets.indexOf(LF, start);
    const end = lf === -1 ? octets.length : lf + 1;
    const line = octets.subarray(start, lf === -1 ? end : Math.max(start, lf - 1));
    if (lf !== -1 && (lf === start || octets[lf - 1] !== 0x0d)) return false;
    if (line.length > MAX_LINE_OCTETS || line.includes(0x0d) || line.includes(0)) return false;
    start = end;
  }
  return true;
}

/** Lines as they may be sent: long ones cut, NUL and CR inside a line shown as `?`. */
function sendableLines(octets: Buffer): Buffer {
  if (octets.length === 0 || (isSendable(octets) && octets.at(-1) === LF)) return octets;
  const lines = octets
    .toString('latin1')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const sendable = lines.map((line) => line.replaceAll(/[\0\r]/g, '?').slice(0, MAX_LINE_OCTETS));
  return Buffer.from(`${sendable.join('\r\n')}\r\n`, 'latin1');
}
