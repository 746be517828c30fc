/**
 * Finds header fields in octets without copying or changing any (RFC 5322 §2.2).
 *
 * A scanner for the hot path: it knows where each field begins and ends, and decodes nothing until asked.
 * A line that is neither a field nor a continuation ends the header section (RFC 5322 §2.1 asks for an
 * empty line; what follows such a line is body for every reader here alike).
 */

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const DELETE = 0x7f;
const MAX_NAME_OCTETS = 128;

export interface HeaderField {
  /** Lower case. */
  readonly name: string;
  /** Offset of the first octet of the name. */
  readonly start: number;
  /** Offset of the first octet after the colon. */
  readonly valueStart: number;
  /** Offset behind the CRLF of the field's last line. */
  readonly end: number;
}

const EMPTY_LINE = Buffer.from('\r\n\r\n');

/**
 * Offset of the first octet of the body: behind the empty line. `-1` while the empty line has not come.
 * `from` is where an earlier look at a shorter part of the same octets may go on.
 */
export function headerEnd(octets: Buffer, from = 0): number {
  if (octets.length >= 2 && octets[0] === CR && octets[1] === LF) return 2;
  const at = octets.indexOf(EMPTY_LINE, Math.max(0, from - EMPTY_LINE.length));
  return at === -1 ? -1 : at + EMPTY_LINE.length;
}

/** Whether a CR or an LF is not part of a CRLF (RFC 5322 §2.2). */
export function hasLoneLineEnd(octets: Buffer): boolean {
  return /\r(?!\n)|(?<!\r)\n/.test(octets.toString('latin1'));
}

/** Whether something stands behind the last field of a header section that is neither one nor the empty line. */
export function hasStrayLine(section: Buffer, fields: readonly HeaderField[]): boolean {
  const rest = section.subarray(fields.at(-1)?.end ?? 0);
  return rest.length > 0 && !(rest.length === 2 && rest[0] === CR && rest[1] === LF);
}

/** The fields at the beginning of the octets, in order, at most `limit`. */
export function headerFields(octets: Buffer, limit = 10_000): readonly HeaderField[] {
  const found: HeaderField[] = [];
  let at = 0;
  while (found.length < limit) {
    const field = fieldAt(octets, at);
    if (field === undefined) break;
    found.push(field);
    at = field.end;
  }
  return found;
}

/** The unfolded value as text, without the white space around it. Octets above 127 are read as UTF-8. */
export function fieldValue(octets: Buffer, field: HeaderField): string {
  return octets
    .toString('utf8', field.valueStart, field.end)
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .trim();
}

function fieldAt(octets: Buffer, start: number): HeaderField | undefined {
  const most = Math.min(octets.length, start + MAX_NAME_OCTETS);
  let nameEnd = start;
  while (nameEnd < most && isOfName(octets[nameEnd] ?? 0)) nameEnd += 1;
  let colon = nameEnd;
  // RFC 5322 §4.5.8.
  while (colon < most && (octets[colon] === SPACE || octets[colon] === TAB)) colon += 1;
  if (nameEnd === start || octets[colon] !== COLON) return undefined;
  const name = octets.toString('latin1', start, nameEnd).toLowerCase();
  return { name, start, valueStart: colon + 1, end: fieldEnd(octets, colon) };
}

/** RFC 5322 §3.6.8. */
function isOfName(octet: number): boolean {
  return octet > SPACE && octet < DELETE && octet !== COLON;
}

function fieldEnd(octets: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const lf = octets.indexOf(LF, at);
    if (lf === -1) return octets.length;
    at = lf + 1;
    const next = octets[at];
    if (next !== SPACE && next !== TAB) return at;
  }
}
