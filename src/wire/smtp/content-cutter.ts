/**
 * Finds the end of content in a stream of octets, and takes away the dots that transparency added.
 *
 * Only CRLF.CRLF ends content (RFC 5321 §4.1.1.4); a dot after anything else is text. A bare CR or LF is a
 * fault of the whole content: whoever stores or relays it could see other lines, and another end, than we do.
 * After a fault the content is still followed to its true end, but none of it is given out, so that nothing
 * behind a false end is ever taken for commands.
 *
 * Lines that need nothing are passed over by `LineScan`; the others are looked at one by one, with `indexOf`. Dots are
 * taken out in place, so one chunk in is one piece out.
 * The same checks, without dots and without an end, hold for chunks (RFC 3030): `framing` says which.
 */

import { LineScan } from './line-scan.ts';

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const NOTHING = Buffer.alloc(0);
/** Below this a pass over lines costs more than it saves. */
const SCANNED_FROM = 512;

/** `bareNewline` outweighs `longLine`, wherever in the content each stands. */
export type ContentFault = 'bareNewline' | 'longLine';

export interface Cut {
  /** Content with its dots unstuffed; a part of the octets given. Empty from the first fault on. */
  readonly content: Buffer;
  /** How many of the octets given were content or its end; fewer than all only at the end. */
  readonly used: number;
  readonly end: 'reached' | 'ahead';
}

/**
 * What the octets so far ended in: inside a line, after its CR, after its CRLF, or after a dot (and its CR) at the
 * beginning of a line.
 */
type Place = 'text' | 'cr' | 'start' | 'dot' | 'dotCr';

export interface ContentCutterOptions {
  readonly framing: 'dots' | 'chunks';
  /** The longest line, counting its CRLF and not the dot that was added. */
  readonly maxLineOctets: number;
}

export class ContentCutter {
  readonly #maxLineOctets: number;
  readonly #framing: 'dots' | 'chunks';
  #place: Place = 'start';
  #lineOctets = 0;
  #bareNewline = false;
  #longLine = false;

  constructor({ framing, maxLineOctets }: ContentCutterOptions) {
    this.#framing = framing;
    this.#maxLineOctets = maxLineOctets;
  }

  get fault(): ContentFault | undefined {
    if (this.#bareNewline) return 'bareNewline';
    return this.#longLine ? 'longLine' : undefined;
  }

  /** All chunks have come: a CR that still waits for its LF is a bare one. */
  finish(): void {
    if (this.#place === 'cr') this.#bareNewline = true;
  }

  /** Takes the octets over, and moves some of them. The content given out is a part of them. */
  cut(octets: Buffer): Cut {
    const scan = new Scan(octets, this.#maxLineOctets);
    while (scan.position < octets.length) {
      if (this.#step(scan) === 'end') return this.#give(scan, 'reached');
    }
    return this.#give(scan, 'ahead');
  }

  #give(scan: Scan, end: 'reached' | 'ahead'): Cut {
    const content = this.fault === undefined ? scan.kept() : NOTHING;
    return { content, used: scan.position, end };
  }

  #step(scan: Scan): 'end' | undefined {
    switch (this.#place) {
      case 'start':
        this.#place = this.#framing === 'dots' && scan.drop(DOT) ? 'dot' : 'text';
        return undefined;
      case 'dot':
        this.#place = scan.drop(CR) ? 'dotCr' : 'text';
        return undefined;
      case 'dotCr':
        if (scan.drop(LF)) return 'end';
        this.#bare();
        return undefined;
      case 'cr':
        if (scan.octet === LF) this.#endLine(scan, scan.position);
        else this.#bare();
        return undefined;
      case 'text':
        this.#text(scan);
        return undefined;
    }
  }

  #bare(): void {
    this.#bareNewline = true;
    this.#place = 'text';
  }

  /** True when there were lines that need nothing. */
  #passOver(scan: Scan): boolean {
    const passed = scan.passOver(this.#lineOctets);
    if (passed === 0) return false;
    this.#lineOctets = 0;
    this.#place = 'start';
    return true;
  }

  /** To the end of the line, or of the chunk. */
  #text(scan: Scan): void {
    if (this.#passOver(scan)) return;
    const lf = scan.next(LF);
    const last = Math.min(lf, scan.octets.length - 1);
    // The only CR of a line stands before its LF; at the end of the chunk, its LF may be in the next.
    const crWanted = lf === scan.octets.length ? last : lf - 1;
    if (!this.#bareNewline && scan.next(CR) < crWanted) this.#bareNewline = true;
    const cr = crWanted >= scan.position && scan.octets[crWanted] === CR;
    if (lf === scan.octets.length) {
      this.#place = cr ? 'cr' : 'text';
      this.#grow(scan.octets.length - scan.position);
      scan.position = scan.octets.length;
    } else if (cr) this.#endLine(scan, lf);
    else {
      this.#bareNewline = true;
      this.#grow(lf + 1 - scan.position);
      scan.position = lf + 1;
    }
  }

  #endLine(scan: Scan, lf: number): void {
    this.#grow(lf + 1 - scan.position);
    scan.position = lf + 1;
    this.#lineOctets = 0;
    this.#place = 'start';
  }

  #grow(octets: number): void {
    this.#lineOctets += octets;
    if (this.#lineOctets > this.#maxLineOctets) this.#longLine = true;
  }
}

/** One pass over one chunk: where it stands, what it kept, and the next CR and LF, searched for once each. */
class Scan {
  readonly octets: Buffer;
  position = 0;
  /** What is kept so far is at the beginning of the chunk; what will be kept next begins at `#from`. */
  #kept = 0;
  #from = 0;
  #nextLf = -1;
  #nextCr = -1;
  readonly #maxLineOctets: number;
  #lines: LineScan | undefined;

  constructor(octets: Buffer, maxLineOctets: number) {
    this.octets = octets;
    this.#maxLineOctets = maxLineOctets;
  }

  get octet(): number | undefined {
    return this.octets[this.position];
  }

  /** Where the octet comes next, at `position` or after it; the length of the chunk if it does not. */
  next(octet: typeof CR | typeof LF): number {
    const known = octet === LF ? this.#nextLf : this.#nextCr;
    if (known >= this.position) return known;
    const found = this.octets.indexOf(octet, this.position);
    const next = found === -1 ? this.octets.length : found;
    if (octet === LF) this.#nextLf = next;
    else this.#nextCr = next;
    return next;
  }

  /** Goes behind the lines that need no look, and says how many octets those were. */
  passOver(lineOctets: number): number {
    if (this.octets.length < SCANNED_FROM) return 0;
    this.#lines ??= new LineScan(this.octets, this.#maxLineOctets);
    const from = this.position;
    this.position = this.#lines.cleanLines(from, lineOctets);
    return this.position - from;
  }

  /** Leaves the octet here out of the content, if it is the one. */
  drop(octet: number): boolean {
    if (this.octets[this.position] !== octet) return false;
    this.#keep();
    this.position += 1;
    this.#from = this.position;
    return true;
  }

  kept(): Buffer {
    this.#keep();
    return this.octets.subarray(0, this.#kept);
  }

  #keep(): void {
    if (this.#from !== this.#kept) this.octets.copyWithin(this.#kept, this.#from, this.position);
    this.#kept += this.position - this.#from;
    this.#from = this.position;
  }
}
