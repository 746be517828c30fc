/** Content-transfer-encodings on whole buffers (RFC 2045 §6.7, §6.8). */

// RFC 2045 §6.7 (5) and §6.8: at most 76 characters a line.
const MAX_LINE = 76;
const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;
const HEX = Buffer.from('0123456789ABCDEF');

export function encodeBase64Lines(octets: Buffer): Buffer {
  const text = octets.toString('base64');
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += MAX_LINE) lines.push(text.slice(at, at + MAX_LINE));
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
}

/** CRLF stays a line end; any other CR or LF is an octet like the rest. */
export function encodeQuotedPrintable(octets: Buffer): Buffer {
  // An octet becomes three, and after at most 73 columns comes a soft break of three.
  const out = Buffer.allocUnsafe(octets.length * 4 + 16);
  let length = 0;
  let column = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0;
    if (octet === CR && octets[at + 1] === LF) {
      length = out.writeUInt16BE(0x0d0a, length);
      column = 0;
      at += 1;
      continue;
    }
    const width = isLiteral(octets, at, octet) ? 1 : 3;
    // One column is kept for the soft break's own sign.
    if (column + width > MAX_LINE - 1) {
      length += out.write('=\r\n', length, 'latin1');
      column = 0;
    }
    if (width === 1) out[length++] = octet;
    else length = writeHex(out, length, octet);
    column += width;
  }
  return Buffer.from(out.subarray(0, length));
}

function writeHex(out: Buffer, at: number, octet: number): number {
  out[at] = EQUALS;
  out[at + 1] = HEX[octet >> 4] ?? 0;
  out[at + 2] = HEX[octet & 15] ?? 0;
  return at + 3;
}

/** White space at the end of a line is not literal (RFC 2045 §6.7 (3)). */
function isLiteral(octets: Buffer, at: number, octet: number): boolean {
  if (octet === SPACE || octet === TAB) {
    const next = octets[at + 1];
    return next !== undefined && next !== CR && next !== LF;
  }
  return octet > SPACE && octet < 0x7f && octet !== EQUALS;
}
