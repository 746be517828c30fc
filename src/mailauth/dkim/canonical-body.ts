/**
 * The body as it is hashed (RFC 6376 §3.4.3, §3.4.4), made in one pass over the octets as they come, however they are cut.
 *
 * White space and line ends are held back, as counts, until text follows: at the end of the body they vanish. Only CRLF
 * ends a line; a CR or LF alone is text, as it is to whoever takes the message from us. The rest is given on in large
 * parts, without a look at each octet.
 */

import { GapScan } from './gap-scan.ts';

export type Canonicalization = 'simple' | 'relaxed';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const CRLF = Buffer.from('\r\n');
const ONE_SPACE = Buffer.from(' ');
const ONE_CR = Buffer.from('\r');
const MANY_LINES = 2048;
const EMPTY_LINES = Buffer.alloc(MANY_LINES * 2, '\r\n');

/** Gathers what is small; used by one `push` at a time, from its beginning to its end. */
const gathered = Buffer.allocUnsafeSlow(65_536);
const OCTETS_AT_ONCE = 256;
/** For a space, a line end and an octet behind what is counted. */
const ROOM = 8;
/** What is larger is given on as it is. */
const GIVEN_AS_IS = 4096;

export class BodyCanonicalizer {
  readonly #relaxed: boolean;
  readonly #give: (octets: Buffer) => void;
  #gathered = 0;
  /** Text has come. */
  #begun = false;
  // What is held back, in this order.
  #lines = 0;
  #space = false;
  #cr = false;

  /** What is given is valid during the call only. */
  constructor(form: Canonicalization, give: (octets: Buffer) => void) {
    this.#relaxed = form === 'relaxed';
    this.#give = give;
  }

  /** Neither changes nor keeps the chunk. */
  push(chunk: Buffer): void {
    const tail = this.#textEnd(chunk);
    const head = this.#gap(chunk, 0);
    if (head < tail) {
      if (this.#relaxed) this.#relax(chunk, head, tail);
      else this.#text(chunk, head, tail);
      this.#gap(chunk, tail);
    }
    this.#flush();
  }

  /** The body is over. */
  finish(): void {
    if (this.#cr) this.#release();
    this.#flush();
    if (this.#begun || !this.#relaxed) this.#give(CRLF);
  }

  /** Behind the last octet that is not held back. */
  #textEnd(chunk: Buffer): number {
    let at = chunk.length;
    while (at > 0 && this.#isGap(chunk[at - 1])) at -= 1;
    return at;
  }

  #isGap(octet: number | undefined): boolean {
    return octet === CR || octet === LF || (this.#relaxed && (octet === SPACE || octet === TAB));
  }

  /** Takes white space in, octet by octet; where text begins. */
  #gap(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length; at += 1) {
      const octet = chunk[at];
      if (octet === LF) this.#lineFeed();
      else if (!this.#isGap(octet)) break;
      else {
        if (this.#cr) this.#release();
        if (octet === CR) this.#cr = true;
        else this.#space = true;
      }
    }
    if (at < chunk.length) this.#release();
    return at;
  }

  #lineFeed(): void {
    if (this.#cr) {
      this.#lines += 1;
      this.#cr = false;
      this.#space = false;
    } else {
      this.#release();
      this.#put(CRLF, 1, 2);
    }
  }

  /** From an octet of text to behind another: what lies between is held back no longer than that. */
  #relax(chunk: Buffer, from: number, to: number): void {
    const scan = new GapScan(chunk);
    let at = from;
    for (;;) {
      const gap = scan.next(at, to);
      this.#text(chunk, at, gap);
      if (gap === to) return;
      at = this.#relaxOctets(chunk, gap, to);
    }
  }

  /**
   * Where white space changes, it often does so again soon: octet by octet for a while, then to where text begins. Gives no more
   * than it takes, so that what is checked here is the room for that, and for line ends behind it.
   */
  #relaxOctets(chunk: Buffer, from: number, to: number): number {
    const least = from + OCTETS_AT_ONCE;
    let space = false;
    let out = this.#roomFor(OCTETS_AT_ONCE);
    let at = from;
    for (; at < to; at += 1) {
      const octet = chunk[at] ?? 0;
      if (octet === SPACE || octet === TAB) space = true;
      else if (octet === CR && chunk[at + 1] === LF) {
        space = false;
        at += 1;
        gathered[out] = CR;
        gathered[out + 1] = LF;
        this.#gathered = out + 2;
        out = this.#roomFor(ROOM);
      } else {
        if (space) gathered[out++] = SPACE;
        space = false;
        if (at >= least) break;
        gathered[out++] = octet;
      }
    }
    this.#gathered = out;
    return at;
  }

  /** Where so many octets, and a few, can be put. */
  #roomFor(octets: number): number {
    if (this.#gathered + octets + ROOM > gathered.length) this.#flush();
    return this.#gathered;
  }

  #text(chunk: Buffer, from: number, to: number): void {
    if (to - from < GIVEN_AS_IS) return this.#put(chunk, from, to);
    this.#flush();
    return this.#give(chunk.subarray(from, to));
  }

  /** Text follows: what was held back belongs to the body. */
  #release(): void {
    this.#begun = true;
    for (; this.#lines > 0; this.#lines -= Math.min(this.#lines, MANY_LINES))
      this.#put(EMPTY_LINES, 0, Math.min(this.#lines, MANY_LINES) * 2);
    if (this.#space) this.#put(ONE_SPACE, 0, 1);
    if (this.#cr) this.#put(ONE_CR, 0, 1);
    this.#space = false;
    this.#cr = false;
  }

  #put(octets: Buffer, from: number, to: number): void {
    if (this.#gathered + to - from > gathered.length) this.#flush();
    octets.copy(gathered, this.#gathered, from, to);
    this.#gathered += to - from;
  }

  #flush(): void {
    if (this.#gathered > 0) this.#give(gathered.subarray(0, this.#gathered));
    this.#gathered = 0;
  }
}
