/**
 * Content as DATA carries it (RFC 5321 §4.5.2): lines end with CRLF and nothing else, a dot at the
 * beginning of a line is doubled, and CRLF.CRLF stands at the end and only there.
 *
 * A stray CR or LF becomes CRLF. The next hop may take it for a line end or not, and a message that means
 * one thing to us and another to it is how mail is smuggled; no hop is exempt.
 *
 * Lines that need nothing are passed over by `LineScan`; the others cost a search each.
 */

import { LineScan } from './line-scan.ts';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const CRLF = Buffer.from('\r\n');
const DOUBLED = Buffer.from('.');
const LF_DOT = Buffer.from('\n.');
const END = Buffer.from('.\r\n');
const NOTHING = Buffer.alloc(0);

export const DATA_END_OCTETS = END.length;

/** `lines`: each CR and LF is known to be of a CRLF, as the content was when it came, so that only dots are looked for. */
export type TextForm = 'any' | 'lines';

export class DataEncoder {
  readonly #form: TextForm;
  /** The last octet given out ended a line (and so does the beginning). */
  #lineStart = true;
  /** A CR at the end of a chunk waits: what follows says what it is. */
  #heldCr = false;

  constructor(form: TextForm = 'any') {
    this.#form = form;
  }

  /** The chunk as it goes on the wire; it may share the chunk's memory. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return NOTHING;
    if (this.#form === 'lines') return this.#pushLines(chunk);
    const pieces: Buffer[] = [];
    let at = this.#heldCr ? this.#afterCr(chunk, pieces) : 0;
    const lines = new LineScan(chunk);
    while (at < chunk.length) at = this.#line({ chunk, lines }, at, pieces);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** What ends the content. */
  end(): Buffer {
    const complete = this.#lineStart && !this.#heldCr;
    return complete ? END : Buffer.concat([CRLF, END]);
  }

  #pushLines(chunk: Buffer): Buffer {
    const pieces: Buffer[] = this.#lineStart && chunk[0] === DOT ? [DOUBLED] : [];
    this.#lineStart = chunk[chunk.length - 1] === LF;
    let from = 0;
    for (let lf = chunk.indexOf(LF_DOT); lf !== -1; lf = chunk.indexOf(LF_DOT, from)) {
      pieces.push(chunk.subarray(from, lf + 1), DOUBLED);
      from = lf + 1;
    }
    pieces.push(chunk.subarray(from));
    return pieces.length === 1 ? chunk : Buffer.concat(pieces);
  }

  #afterCr(chunk: Buffer, pieces: Buffer[]): number {
    this.#heldCr = false;
    this.#lineStart = true;
    pieces.push(CRLF);
    return chunk[0] === LF ? 1 : 0;
  }

  /** Puts out octets from `from` on that need nothing between them, and what must follow; where to go on. */
  #line({ chunk, lines }: Scanned, from: number, pieces: Buffer[]): number {
    if (this.#lineStart && chunk[from] === DOT) pieces.push(DOUBLED);
    const end = cleanEnd({ chunk, lines }, from);
    if (end > from) {
      pieces.push(chunk.subarray(from, end));
      this.#lineStart = chunk[end - 1] === LF;
    }
    if (end === chunk.length) return end;
    if (chunk[end] === DOT && this.#lineStart) return end;
    if (chunk[end] === CR && end + 1 === chunk.length) {
      this.#heldCr = true;
      return chunk.length;
    }
    pieces.push(CRLF);
    this.#lineStart = true;
    return end + 1;
  }
}

/**
 * Content of whole CRLF lines as DATA carries it, with its end, made in place: the memory behind the octets has room for
 * it. Undefined where a line begins with a dot, or there is no room. That every line ends with CRLF is the caller's word.
 */
export function wireInPlace(octets: Uint8Array): Buffer | undefined {
  const { buffer, byteOffset, length } = octets;
  if (byteOffset + length + END.length > buffer.byteLength) return undefined;
  const wire = Buffer.from(buffer, byteOffset, length + END.length);
  const content = wire.subarray(0, length);
  if (length < 2 || content[0] === DOT || content[length - 1] !== LF || content.includes(LF_DOT)) return undefined;
  END.copy(wire, length);
  return wire;
}

interface Scanned {
  readonly chunk: Buffer;
  readonly lines: LineScan;
}

/** Where the octets from `from` on first need work: a stray CR or LF, a last CR, or a dot that begins a line. */
function cleanEnd({ chunk, lines }: Scanned, from: number): number {
  let at = lines.cleanLines(from);
  if (at > from && chunk[at] === DOT) return at;
  for (;;) {
    const lf = chunk.indexOf(LF, at);
    const lineEnd = lf === -1 ? chunk.length : lf;
    const cr = chunk.subarray(at, lineEnd).indexOf(CR);
    if (cr !== -1 && at + cr !== lineEnd - 1) return at + cr;
    if (lf === -1) return cr === -1 ? chunk.length : lineEnd - 1;
    if (cr === -1) return lf;
    at = lf + 1;
    if (chunk[at] === DOT) return at;
  }
}

/** BDAT carries octets as they are, so only content that DATA would not change may take its place. */
export function isCleanText(octets: Buffer): boolean {
  if (octets.length < 2 || octets[octets.length - 2] !== CR || octets[octets.length - 1] !== LF) return false;
  let at = 0;
  while (at < octets.length) {
    const lf = octets.indexOf(LF, at);
    if (lf === -1 || octets.indexOf(CR, at) !== lf - 1) return false;
    at = lf + 1;
  }
  return true;
}
