/**
 * Finds the report in a message and reads it (RFC 8460 §5.3): the part that is `application/tlsrpt+gzip` or `+json`.
 *
 * Everything is bounded before it is read: the parts looked at, how deep they lie, and what the compressed report may
 * unfold to. What it says is believed as far as its sender is: nothing here checks who that was.
 */

import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Parsed, parsed, unparsed } from '../lib/parsed.ts';
import { fieldValue, headerEnd, headerFields } from '../mail/header.ts';
import { parseTlsReport, type ReceivedReport } from '../tlspolicy/tls-report.ts';

/** A day's report has a few KB. */
const MAX_JSON_OCTETS = 1024 * 1024;
const MAX_PARTS = 20;
const MAX_DEPTH = 3;
const MAX_FIELDS = 100;

const unzip = promisify(gunzip);

export async function readTlsReport(message: Buffer): Promise<Parsed<ReceivedReport>> {
  const part = reportPart(message, MAX_DEPTH);
  if (part === undefined)
    return unparsed('it has no part of the type application/tlsrpt+gzip or application/tlsrpt+json');
  const json = part.form === 'gzip' ? await unzipped(part.octets) : plain(part.octets);
  return json.ok ? parseTlsReport(json.value) : json;
}

function plain(octets: Buffer): Parsed<string> {
  return octets.length > MAX_JSON_OCTETS ? TOO_LARGE : parsed(octets.toString('utf8'));
}

const TOO_LARGE = unparsed(`the report is larger than ${MAX_JSON_OCTETS} octets`);

async function unzipped(octets: Buffer): Promise<Parsed<string>> {
  try {
    return parsed(String(await unzip(octets, { maxOutputLength: MAX_JSON_OCTETS })));
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return tooLarge ? TOO_LARGE : unparsed('the report is no gzip');
  }
}

interface ReportPart {
  readonly form: 'gzip' | 'json';
  readonly octets: Buffer;
}

function reportPart(entity: Buffer, depth: number): ReportPart | undefined {
  const bodyAt = headerEnd(entity);
  if (bodyAt === -1) return undefined;
  const field = (name: string): string => {
    const found = headerFields(entity, MAX_FIELDS).find((each) => each.name === name);
    return found === undefined ? '' : fieldValue(entity, found);
  };
  const type = field('content-type');
  const [, form] = /^application\/tlsrpt\+(gzip|json)\b/i.exec(type) ?? [];
  const body = entity.subarray(bodyAt);
  if (form !== undefined)
    return { form: form.toLowerCase() as 'gzip' | 'json', octets: decoded(body, field('content-transfer-encoding')) };
  const boundary = /^multipart\//i.test(type) ? boundaryOf(type) : undefined;
  if (boundary === undefined || depth === 0) return undefined;
  for (const part of partsOf(body, boundary)) {
    const found = reportPart(part, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function boundaryOf(type: string): string | undefined {
  const [, quoted, bare] = /;\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(type) ?? [];
  return quoted ?? bare;
}

function* partsOf(body: Buffer, boundary: string): Generator<Buffer> {
  const line = Buffer.from(`\r\n--${boundary}`);
  const whole = Buffer.concat([Buffer.from('\r\n'), body]);
  let from = whole.indexOf(line);
  for (let n = 0; from !== -1 && n < MAX_PARTS; n++) {
    const begin = whole.indexOf('\r\n', from + line.length);
    const end = whole.indexOf(line, from + line.length);
    if (begin === -1 || end === -1) return;
    yield whole.subarray(begin + 2, end);
    from = end;
  }
}

/** Octets that are none in that encoding are passed over. */
function decoded(body: Buffer, encoding: string): Buffer {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(body.toString('latin1'), 'base64');
    case 'quoted-printable':
      return Buffer.from(
        body
          .toString('latin1')
          .replaceAll(/=\r\n/g, '')
          .replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1',
      );
    default:
      return body;
  }
}
