/**
 * Makes 8-bit and binary content fit for a next hop that takes 7-bit lines only (RFC 6152 §3, RFC 2045 §6).
 *
 * Leaf parts that need it become quoted-printable or base64, their Content-Transfer-Encoding says so, and
 * everything else stays octet for octet. What cannot be converted without harm is refused with its status:
 * a multipart/signed whose parts are 8-bit (its signature covers their octets), parts that RFC 2046 forbids to
 * encode, and header sections that are not ASCII.
 *
 * Bounded: depth and number of parts, and octets looked at, which grow with the content and not with its depth.
 */

import { isAscii } from 'node:buffer';
import { type HeaderField, fieldValue, headerEnd, headerFields } from './header.ts';
import { type EnhancedStatus } from './reply.ts';
import { encoded } from './mime/encoders.ts';

export type Downgraded =
  | { readonly kind: 'converted'; readonly octets: Buffer }
  | { readonly kind: 'impossible'; readonly status: EnhancedStatus; readonly reason: string };

export const MAX_DEPTH = 100;
export const MAX_PARTS = 10_000;
/** Octets looked at, as a multiple of the content; deep nesting of large parts alone comes near it. */
const MAX_WORK = 32;
const MAX_FIELDS = 1000;
// RFC 2046 §5.1.1; a longer boundary is not one.
const MAX_BOUNDARY = 70;
// RFC 5322 §2.1.1: 998 without the CRLF.
const MAX_LINE = 998;
// Above this quoted-printable costs more to make than it is worth to read.
const MAX_QUOTED_OCTETS = 262_144;

/** RFC 2046 §5.1.1: white space may follow a boundary. */
const PADDING = /[ \t]*\r?\n?$/;
const QUESTION_MARK = 0x3f;
const CRLF = Buffer.from('\r\n');
const NO_MIME = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n';

interface Entity {
  readonly octets: Buffer;
  readonly fields: readonly HeaderField[];
  /** The header section with its empty line. */
  readonly header: Buffer;
  readonly body: Buffer;
  readonly type: string;
  readonly encoding: string;
}

interface Walk {
  parts: number;
  work: number;
  readonly limit: number;
}

/** Ends the walk; never leaves this file. */
class Impossible extends Error {
  readonly status: EnhancedStatus;

  constructor(status: EnhancedStatus, reason: string) {
    super(reason);
    this.status = status;
  }
}

export function downgrade(content: Buffer): Downgraded {
  try {
    const walk: Walk = { parts: 0, work: 0, limit: MAX_WORK * content.length + 65_536 };
    return { kind: 'converted', octets: Buffer.concat(convertEntity(content, 0, walk, 'message')) };
  } catch (error) {
    if (error instanceof Impossible) return { kind: 'impossible', status: error.status, reason: error.message };
    throw error;
  }
}

/** The content is signed by DKIM, so that converting it breaks that signature. */
export function isDkimSigned(content: Buffer): boolean {
  return headerFields(content, MAX_FIELDS).some(({ name }) => name === 'dkim-signature');
}

function convertEntity(octets: Buffer, depth: number, walk: Walk, kind: 'message' | 'part'): Buffer[] {
  walk.parts += 1;
  walk.work += octets.length;
  if (depth > MAX_DEPTH || walk.parts > MAX_PARTS || walk.work > walk.limit)
    throw new Impossible('5.6.1', 'the MIME structure is too deep or has too many parts to be converted');
  if (isSevenBit(octets)) return [octets];
  const entity = entityOf(octets);
  if (!isAscii(entity.header))
    throw new Impossible('5.6.7', 'the header section is not ASCII and the next hop takes ASCII only');
  if (entity.type === 'multipart/signed')
    throw new Impossible('5.6.3', 'a signed part is 8-bit and must not be changed');
  if (entity.type.startsWith('multipart/')) return convertMultipart(entity, depth, walk);
  if (entity.type === 'message/rfc822' || entity.type === 'message/global') return convertEnclosed(entity, depth, walk);
  if (entity.type.startsWith('message/'))
    throw new Impossible('5.6.3', `a part of type ${entity.type} is 8-bit and must not be encoded`);
  return convertLeaf(entity, kind);
}

function convertEnclosed(entity: Entity, depth: number, walk: Walk): Buffer[] {
  if (isEncoded(entity.encoding)) throw contradiction(entity);
  return [withEncoding(entity, '7bit', 'part'), ...convertEntity(entity.body, depth + 1, walk, 'message')];
}

function convertMultipart(entity: Entity, depth: number, walk: Walk): Buffer[] {
  const boundary = boundaryOf(entity);
  if (boundary === undefined || isEncoded(entity.encoding)) throw contradiction(entity);
  const out = [withEncoding(entity, '7bit', 'part')];
  let at = 0;
  for (const part of partsOf(entity.body, boundary)) {
    out.push(asciiOnly(entity.body.subarray(at, part.start)));
    out.push(...convertEntity(entity.body.subarray(part.start, part.end), depth + 1, walk, 'part'));
    at = part.end;
  }
  out.push(asciiOnly(entity.body.subarray(at)));
  return out;
}

function convertLeaf(entity: Entity, kind: 'message' | 'part'): Buffer[] {
  if (isEncoded(entity.encoding)) throw contradiction(entity);
  const quoted = entity.type.startsWith('text/') && isMostlyAscii(entity.body);
  const encoding = quoted ? 'quoted-printable' : 'base64';
  return [withEncoding(entity, encoding, kind), encoded(entity.body, quoted ? encoding : 'base64Text')];
}

/**
 * What lies between parts is the delimiter lines, which are ASCII, and text that nobody reads (RFC 2046 §5.1.1):
 * in it an octet that is not fit to be sent becomes a question mark.
 */
function asciiOnly(between: Buffer): Buffer {
  if (isAscii(between) && !between.includes(0)) return between;
  return Buffer.from(between.map((octet) => (octet > 0x7e || octet === 0 ? QUESTION_MARK : octet)));
}

function entityOf(octets: Buffer): Entity {
  const end = headerEnd(octets);
  const header = octets.subarray(0, end === -1 ? octets.length : end);
  const fields = headerFields(header, MAX_FIELDS);
  const value = (name: string): string => {
    const field = fields.find((each) => each.name === name);
    return field === undefined ? '' : fieldValue(header, field);
  };
  const type = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+/.exec(value('content-type').toLowerCase())?.[0] ?? 'text/plain';
  const encoding = value('content-transfer-encoding').toLowerCase();
  return { octets, fields, header, body: octets.subarray(header.length), type, encoding };
}

function boundaryOf({ fields, header }: Entity): string | undefined {
  const field = fields.find(({ name }) => name === 'content-type');
  const value = field === undefined ? '' : fieldValue(header, field);
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"\\\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(value) ?? [];
  const boundary = quoted ?? plain;
  return boundary === undefined || boundary.length > MAX_BOUNDARY ? undefined : boundary.trimEnd();
}

/** The parts between the delimiter lines, which end before the CRLF that belongs to the delimiter. */
function* partsOf(body: Buffer, boundary: string): Generator<{ readonly start: number; readonly end: number }> {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let found = delimiterFrom(body, delimiter, 0);
  while (found !== undefined && !found.closing) {
    const next = delimiterFrom(body, delimiter, found.lineEnd);
    const end = next === undefined ? body.length : Math.max(found.lineEnd, next.start);
    yield { start: found.lineEnd, end };
    found = next;
  }
}

interface Delimiter {
  /** Where its CRLF begins. */
  readonly start: number;
  readonly lineEnd: number;
  readonly closing: boolean;
}

function delimiterFrom(body: Buffer, delimiter: Buffer, from: number): Delimiter | undefined {
  let at = body.indexOf(delimiter, from);
  while (at !== -1) {
    const lf = body.indexOf(0x0a, at);
    const lineEnd = lf === -1 ? body.length : lf + 1;
    const rest = body
      .toString('latin1', at + delimiter.length, Math.min(lineEnd, at + delimiter.length + 100))
      .replace(PADDING, '');
    const begins = at === 0 || body[at - 1] === 0x0a;
    if (begins && (rest === '' || rest === '--')) {
      const start = at >= 2 && body[at - 2] === 0x0d ? at - 2 : Math.max(0, at - 1);
      return { start: at === 0 ? 0 : start, lineEnd, closing: rest === '--' };
    }
    at = body.indexOf(delimiter, at + delimiter.length);
  }
  return undefined;
}

/** The header section with its Content-Transfer-Encoding replaced or added. */
function withEncoding(entity: Entity, encoding: string, kind: 'message' | 'part'): Buffer {
  const { fields, header } = entity;
  const kept: Buffer[] = [];
  let at = 0;
  for (const field of fields.filter(({ name }) => name === 'content-transfer-encoding')) {
    kept.push(header.subarray(at, field.start));
    at = field.end;
  }
  const end = fields.at(-1)?.end ?? 0;
  kept.push(header.subarray(at, end));
  // RFC 1428 §3: text that does not say what it is.
  if (kind === 'message' && !fields.some(({ name }) => name === 'mime-version'))
    kept.push(Buffer.from(mimeFields(fields)));
  kept.push(
    Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n`),
    header.length > end ? header.subarray(end) : CRLF,
  );
  return Buffer.concat(kept);
}

function mimeFields(fields: readonly HeaderField[]): string {
  return fields.some(({ name }) => name === 'content-type') ? 'MIME-Version: 1.0\r\n' : NO_MIME;
}

/** Octets that any SMTP server takes: ASCII without NUL, lines that end with CRLF and are not too long. */
export function isSevenBit(octets: Buffer): boolean {
  if (!isAscii(octets) || octets.includes(0)) return false;
  let at = 0;
  while (at < octets.length) {
    const lf = octets.indexOf(0x0a, at);
    const end = lf === -1 ? octets.length : lf + 1;
    if (end - at > MAX_LINE + 2) return false;
    if (lf !== -1 && octets.indexOf(0x0d, at) !== lf - 1) return false;
    at = end;
  }
  return true;
}

function isMostlyAscii(body: Buffer): boolean {
  if (body.length > MAX_QUOTED_OCTETS || body.includes(0)) return false;
  let high = 0;
  for (const octet of body) if (octet > 126) high += 1;
  return high * 4 <= body.length;
}

function isEncoded(encoding: string): boolean {
  return encoding === 'base64' || encoding === 'quoted-printable';
}

function contradiction({ type, encoding }: Entity): Impossible {
  return new Impossible(
    '5.6.1',
    `a part of type ${type} (${encoding || 'no encoding'}) is not what it says, and cannot be converted`,
  );
}
