/**
 * Makes 8-bit and binary content fit for a next hop that takes 7-bit lines only (RFC 6152 §3, RFC 2045 §6): the same as is done
 * before signing (`mime/fit.ts`), but that what cannot be converted without harm is refused with its status.
 */

import { isAscii } from 'node:buffer';
import { headerFields } from './header.ts';
import { MAX_LINE_OCTETS } from './mime/body-facts.ts';
import { ContentEditor } from './mime/edits.ts';
import { ContentFit, type Obstacle } from './mime/fit.ts';

export type Downgraded =
  { readonly kind: 'converted'; readonly octets: Buffer } | ({ readonly kind: 'impossible' } & Obstacle);

const MAX_FIELDS = 1000;

export function downgrade(content: Buffer): Downgraded {
  const fit = new ContentFit({ eightBit: 'repair', longLines: 'repair' });
  fit.push(content);
  const { edits, obstacle } = fit.end();
  if (obstacle !== undefined) return { kind: 'impossible', ...obstacle };
  const editor = new ContentEditor(edits);
  return { kind: 'converted', octets: Buffer.concat([...editor.push(content), ...editor.end()]) };
}

/** The content is signed by DKIM, so that converting it breaks that signature. */
export function isDkimSigned(content: Buffer): boolean {
  return headerFields(content, MAX_FIELDS).some(({ name }) => name === 'dkim-signature');
}

/** Octets that any SMTP server takes: ASCII without NUL, lines that end with CRLF and are not too long. */
export function isSevenBit(octets: Buffer): boolean {
  if (!isAscii(octets) || octets.includes(0)) return false;
  let at = 0;
  while (at < octets.length) {
    const lf = octets.indexOf(0x0a, at);
    const end = lf === -1 ? octets.length : lf + 1;
    if (end - at > MAX_LINE_OCTETS + 2) return false;
    if (lf !== -1 && octets.indexOf(0x0d, at) !== lf - 1) return false;
    at = end;
  }
  return true;
}
