/**
 * Quoted-printable in pieces (RFC 2045 §6.7). CRLF stays a line end; any other CR or LF is an octet like the rest.
 *
 * A line never begins with two dashes, so that none can be taken for a boundary.
 */

// RFC 2045 §6.7 (5): at most 76 characters a line; one column is kept for the soft break's own sign.
const LAST_COLUMN = 75;
const EQUALS = 0x3d;
const DASH = 0x2d;
const SPACE = 0x20;
const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;
const HEX = Buffer.from('0123456789ABCDEF');
const NOTHING = Buffer.alloc(0);

export class QuotedPrintable {
  #rest: Buffer = NOTHING;
  #column = 0;
  /** The line here began with a soft break. */
  #soft = false;

  push(octets: Buffer): Buffer {
    const all = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const last = all.at(-1);
    // What the octet becomes hangs on the next one.
    const waits = last === CR || last === SPACE || last === TAB || last === DASH ? 1 : 0;
    this.#rest = Buffer.from(all.subarray(all.length - waits));
    return this.#encoded(all, all.length - waits);
  }

  end(): Buffer {
    const rest = this.#rest;
    this.#rest = NOTHING;
    return this.#encoded(rest, rest.length);
  }

  /** `end`: up to where; what stands behind it is looked at only. */
  #encoded(octets: Buffer, end: number): Buffer {
    // An octet becomes three, and after at most 73 columns comes a soft break of three.
    const out = Buffer.allocUnsafe(end * 4 + 16);
    let length = 0;
    for (let at = 0; at < end; at += 1) {
      const octet = octets[at] ?? 0;
      if (octet === CR && octets[at + 1] === LF && at + 1 < end) {
        length = out.writeUInt16BE(0x0d0a, length);
        this.#beginLine('hard');
        at += 1;
        continue;
      }
      const literal = this.#isLiteral(octets, at, octet);
      if (this.#column + (literal ? 1 : 3) > LAST_COLUMN) {
        length += out.write('=\r\n', length, 'latin1');
        this.#beginLine('soft');
      }
      if (literal && !this.#isBoundary(octets, at)) {
        out[length++] = octet;
        this.#column += 1;
      } else {
        length = writeHex(out, length, octet);
        this.#column += 3;
      }
    }
    return Buffer.from(out.subarray(0, length));
  }

  #beginLine(how: 'hard' | 'soft'): void {
    this.#column = 0;
    this.#soft = how === 'soft';
  }

  /** Whether it may be the beginning of one. */
  #isBoundary(octets: Buffer, at: number): boolean {
    return this.#column === 0 && octets[at] === DASH && (this.#soft || octets[at + 1] === DASH);
  }

  /** White space at the end of a line is not literal (RFC 2045 §6.7 (3)). */
  #isLiteral(octets: Buffer, at: number, octet: number): boolean {
    if (octet === SPACE || octet === TAB) {
      const next = octets[at + 1];
      return next !== undefined && next !== CR && next !== LF;
    }
    return octet > SPACE && octet < 0x7f && octet !== EQUALS;
  }
}

function writeHex(out: Buffer, at: number, octet: number): number {
  out[at] = EQUALS;
  out[at + 1] = HEX[octet >> 4] ?? 0;
  out[at + 2] = HEX[octet & 15] ?? 0;
  return at + 3;
}
