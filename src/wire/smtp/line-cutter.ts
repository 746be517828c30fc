/**
 * Cuts a stream of octets into command lines, one at a time.
 *
 * Only CRLF ends a line. A bare CR or LF is an error and never a line end: taking it for one is how mail is
 * smuggled past a filter (RFC 5321 §2.3.8). After `bareNewline` or `tooLong` the stream has no line to come
 * back to: the caller closes.
 *
 * Octets that are not yet a line are kept in a small buffer of their own, so that an idle session does not
 * hold on to the chunk they came in. What is not a line at all (content, a BDAT chunk) is had by `take`.
 */

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
const FIRST_CAPACITY = 128;

/** `octets` is without the CRLF, and valid until the next call. */
export type Line =
  { readonly kind: 'line'; readonly octets: Buffer } | { readonly kind: 'bareNewline' } | { readonly kind: 'tooLong' };

export class LineCutter {
  readonly #maxOctets: number;
  /** The chunk being cut, and those after it. */
  #chunk: Buffer = NOTHING;
  #later: Buffer[] = [];
  /** The beginning of a line whose end is not in the chunks that came. */
  #begun: Buffer = NOTHING;
  #begunOctets = 0;

  /** `maxOctets` counts the CRLF. */
  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets;
  }

  /** Octets of a line that has no end yet, or of anything after it, are there. */
  get pending(): boolean {
    return this.#begunOctets > 0 || this.#chunk.length > 0;
  }

  /** Takes the chunk over: the caller must not write to it again. */
  push(chunk: Buffer): void {
    if (this.#chunk.length === 0) this.#chunk = chunk;
    else if (chunk.length > 0) this.#later.push(chunk);
  }

  /** The next whole line, or nothing until more octets are pushed. */
  next(maxOctets = this.#maxOctets): Line | undefined {
    while (this.#chunk.length > 0) {
      const lf = this.#chunk.indexOf(LF);
      const upTo = lf === -1 ? this.#chunk.length : lf + 1;
      // Kept or cut, no line may be longer; without an end, it is too long once nothing but the end would fit.
      if (this.#begunOctets + upTo > maxOctets - (lf === -1 ? 1 : 0)) return { kind: 'tooLong' };
      const piece = this.#chunk.subarray(0, upTo);
      this.#advance(upTo);
      if (lf !== -1) return this.#end(piece);
      this.#begin(piece);
    }
    return undefined;
  }

  /** The line that would be next begins with this word, in any case of letters; for a word that is there whole. */
  begins(word: string): boolean {
    const begun = this.#begun.subarray(0, Math.min(this.#begunOctets, word.length)).toString('latin1');
    const more = this.#chunk.subarray(0, word.length - begun.length).toString('latin1');
    return (begun + more).toUpperCase() === word;
  }

  /** The octets at hand that belong to no line yet, given away; empty when more must be pushed first. */
  take(): Buffer {
    const octets = this.#chunk;
    this.#advance(octets.length);
    return octets;
  }

  /** Puts back what `take` gave and was not used; it is the next to be cut. */
  giveBack(octets: Buffer): void {
    if (octets.length === 0) return;
    if (this.#chunk.length > 0) this.#later.unshift(this.#chunk);
    this.#chunk = octets;
  }

  /** Forgets everything. */
  clear(): void {
    this.#chunk = NOTHING;
    this.#later = [];
    this.#begun = NOTHING;
    this.#begunOctets = 0;
  }

  #advance(octets: number): void {
    this.#chunk = octets < this.#chunk.length ? this.#chunk.subarray(octets) : (this.#later.shift() ?? NOTHING);
  }

  #end(piece: Buffer): Line {
    const line = this.#begunOctets === 0 ? piece : this.#joined(piece);
    const end = line.length - 2;
    if (end < 0 || line.indexOf(CR) !== end) return { kind: 'bareNewline' };
    return { kind: 'line', octets: line.subarray(0, end) };
  }

  #joined(piece: Buffer): Buffer {
    this.#begin(piece);
    const line = this.#begun.subarray(0, this.#begunOctets);
    this.#begun = NOTHING;
    this.#begunOctets = 0;
    return line;
  }

  /** Capacity doubles, so that a client that sends one octet at a time has each copied a bounded number of times. */
  #begin(piece: Buffer): void {
    const needed = this.#begunOctets + piece.length;
    if (needed > this.#begun.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#begun.length * 2, FIRST_CAPACITY));
      this.#begun.copy(grown, 0, 0, this.#begunOctets);
      this.#begun = grown;
    }
    piece.copy(this.#begun, this.#begunOctets);
    this.#begunOctets = needed;
  }
}
