/**
 * What the header section of a message or of a part says about its body (RFC 2045 §5, §6), and where a changed
 * Content-Transfer-Encoding would stand. Offsets are those of the whole content.
 */

import { isAscii } from 'node:buffer';
import { fieldValue, hasStrayLine, type HeaderField, headerFields } from '../header.ts';
import { type Edit, splice } from './edits.ts';
import { parseContentType, withoutComments } from './content-type.ts';

/** `none`: no field says it. `unknown`: one does, and nobody knows what it means. */
export type Encoding = 'none' | '7bit' | '8bit' | 'binary' | 'quoted-printable' | 'base64' | 'unknown';

export interface Entity {
  /** A message has a MIME-Version, a part need not. */
  readonly kind: 'message' | 'part';
  readonly type: string;
  readonly boundary: string | undefined;
  readonly encoding: Encoding;
  /** All readers read it as we do. */
  readonly clear: boolean;
  readonly ascii: boolean;
  readonly mimeVersion: boolean;
  readonly typed: boolean;
  readonly encodingFields: readonly Place[];
  /** Behind the last field. */
  readonly fieldsEnd: number;
}

interface Place {
  readonly start: number;
  readonly end: number;
}

export interface HeaderOf {
  readonly kind: 'message' | 'part';
  /** Of the header section in the whole content. */
  readonly start: number;
  /** Of a body that nothing is said about: in a multipart/digest it is another (RFC 2046 §5.1.5). */
  readonly defaultType: string;
}

const ENCODINGS = new Set<string>(['7bit', '8bit', 'binary', 'quoted-printable', 'base64']);
/** Of one part. */
const MAX_FIELDS = 5000;

export function entityOf(section: Buffer, { kind, start, defaultType }: HeaderOf): Entity {
  const fields = headerFields(section, MAX_FIELDS);
  const types = fields.filter(({ name }) => name === 'content-type');
  const encodings = fields.filter(({ name }) => name === 'content-transfer-encoding');
  const [first] = types;
  const type = first === undefined ? UNTYPED : parseContentType(fieldValue(section, first));
  return {
    ...{ kind, type: first === undefined ? defaultType : type.type, boundary: type.boundary },
    encoding: encodingOf(section, encodings),
    clear: type.clear && types.length < 2 && encodings.length < 2 && !hasStrayLine(section, fields),
    ascii: isAscii(section),
    mimeVersion: fields.some(({ name }) => name === 'mime-version'),
    typed: first !== undefined,
    encodingFields: encodings.map((field) => ({ start: start + field.start, end: start + field.end })),
    fieldsEnd: start + (fields.at(-1)?.end ?? 0),
  };
}

const UNTYPED = { type: '', boundary: undefined, clear: true };

function encodingOf(section: Buffer, [field]: readonly HeaderField[]): Encoding {
  if (field === undefined) return 'none';
  const value = withoutComments(fieldValue(section, field)).toLowerCase();
  return ENCODINGS.has(value) ? (value as Encoding) : 'unknown';
}

/** Makes its Content-Transfer-Encoding another. `charset`: of text that says nothing of itself. */
export function encodingEdits(entity: Entity, encoding: Encoding, charset: string | undefined): readonly Edit[] {
  const [field] = entity.encodingFields;
  const lines: string[] = [];
  if (entity.kind === 'message' && !entity.mimeVersion) lines.push('MIME-Version: 1.0\r\n');
  if (!entity.typed && charset !== undefined) lines.push(`Content-Type: text/plain; charset=${charset}\r\n`);
  lines.push(`Content-Transfer-Encoding: ${encoding}\r\n`);
  const { start, end } = field ?? { start: entity.fieldsEnd, end: entity.fieldsEnd };
  return [splice(start, end, lines.join(''))];
}
