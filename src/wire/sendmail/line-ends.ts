/**
 * Turns what programs write into lines as mail has them: each ends with CRLF, and no CR or LF stands anywhere else.
 *
 * LF and CRLF end a line; a CR alone is a space, as Postfix has it, since a line end of its own making is how mail is
 * smuggled past a filter (RFC 5321 §2.3.8). Where it is asked for, a line with a dot alone ends everything.
 */

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const SPACE = 0x20;
const NOTHING = Buffer.alloc(0);
const LINE_END = Buffer.from('\r\n');

export class LineEnds {
  readonly #loneDot: 'ends' | 'stays';
  /** The beginning of what came last, which says only with what follows what it is: `.`, `.` CR, CR. */
  #held: Buffer = NOTHING;
  #atLineStart = true;
  #ended = false;

  constructor(loneDot: 'ends' | 'stays') {
    this.#loneDot = loneDot;
  }

  /** The dot came: whatever follows is nobody's. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What can be said of it so far; the chunk is not kept. */
  push(chunk: Buffer): Buffer {
    if (this.#ended) return NOTHING;
    const octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    const out: Buffer[] = [];
    let at = 0;
    for (let lf = octets.indexOf(LF); lf !== -1 && !this.#ended; lf = octets.indexOf(LF, at)) {
      this.#line(octets.subarray(at, lf), out);
      at = lf + 1;
    }
    if (!this.#ended) this.#rest(octets.subarray(at), out);
    return Buffer.concat(out);
  }

  /** Nothing more comes: the last line gets its end. */
  end(): Buffer {
    if (this.#ended) return NOTHING;
    this.#ended = true;
    const held = withoutLastCr(this.#held);
    // A dot at the end, without a line end: the dot that ends a message as well.
    if (isDot(held) && this.#atLineStart && this.#loneDot === 'ends') return NOTHING;
    if (this.#atLineStart && this.#held.length === 0) return NOTHING;
    return Buffer.concat([held, LINE_END]);
  }

  /** A whole line, or the end of one. */
  #line(line: Buffer, out: Buffer[]): void {
    const text = withoutLastCr(line);
    if (this.#atLineStart && this.#loneDot === 'ends' && isDot(text)) {
      this.#ended = true;
      return;
    }
    out.push(withoutCr(text), LINE_END);
    this.#atLineStart = true;
  }

  #rest(rest: Buffer, out: Buffer[]): void {
    if (rest.length === 0) return;
    const mayEnd = this.#atLineStart && this.#loneDot === 'ends' && isDot(withoutLastCr(rest));
    const held = mayEnd ? rest.length : rest.at(-1) === CR ? 1 : 0;
    this.#held = Buffer.from(rest.subarray(rest.length - held));
    const said = rest.subarray(0, rest.length - held);
    if (said.length === 0) return;
    out.push(withoutCr(said));
    this.#atLineStart = false;
  }
}

function isDot(line: Buffer): boolean {
  return line.length === 1 && line[0] === DOT;
}

function withoutLastCr(line: Buffer): Buffer {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function withoutCr(line: Buffer): Buffer {
  if (!line.includes(CR)) return line;
  return Buffer.from(line.map((octet) => (octet === CR ? SPACE : octet)));
}
