/**
 * Walks through the structure of a message as it comes in blocks (RFC 2046 §5), and finds what some servers do not take:
 * octets that are not ASCII, and lines that are too long. What is to be changed for it, `fit.ts` decides.
 *
 * A part ends where the boundary of any multipart around it begins a line, whatever it has left open itself. What is not
 * read alike by all readers, and all that is signed or encrypted as a whole (RFC 1847), is looked at as one part and not
 * into. Bounded: depth, number of parts, and the octets of a part's header section.
 */

import { BodyFacts, MAX_LINE_OCTETS } from './body-facts.ts';
import { type Entity, entityOf } from './entity.ts';
import { LineReader, type LinePiece } from './line-reader.ts';
import { type Delimiting, OpenBoundaries } from './open-boundaries.ts';

/** A stretch of content that is not a container. */
export interface Found {
  /** `gap`: text before or behind the parts of a multipart, which nobody reads. */
  readonly kind: 'leaf' | 'gap';
  readonly entity: Entity;
  readonly start: number;
  readonly end: number;
  readonly facts: BodyFacts;
  /** A gap with what some would read as a part. */
  readonly doubtful: boolean;
  /** Nothing follows in the whole content. */
  readonly last: boolean;
}

export interface WalkResult {
  readonly kind: 'walked';
  /** What has octets or lines that are not fit, in order; the octets beside them are fit. */
  readonly found: readonly Found[];
  readonly containers: readonly Container[];
  /** All header sections are. */
  readonly asciiHeaders: boolean;
}

/** A header section with a line that is too long. */
export interface LongHeader {
  readonly section: Buffer;
  readonly start: number;
}

export interface Container {
  readonly entity: Entity;
  /** Which of `found` are in it. */
  readonly from: number;
  to: number;
}

export const MAX_DEPTH = 100;
export const MAX_PARTS = 10_000;
/** Of the message, and of a part. */
const MAX_HEADER_OCTETS = 2 ** 20;
const MAX_PART_HEADER_OCTETS = 65_536;
const DASH = 0x2d;
const CR = 0x0d;
/** Behind a boundary may stand white space, and not more of it than in a line. */
const MAX_DELIMITER_OCTETS = 1000;

interface Level {
  readonly entity: Entity;
  readonly kind: 'leaf' | 'multipart' | 'message';
  /** Of a multipart. */
  readonly boundary: string | undefined;
  readonly container: Container | undefined;
  /** Of the body, or of the gap that is open. */
  start: number;
  facts: BodyFacts;
  /** Of a multipart. `all`: its last boundary has come. */
  parts: 'none' | 'some' | 'all';
  doubtful: boolean;
}

interface OpenHeader {
  readonly kind: 'message' | 'part';
  readonly defaultType: string;
  readonly start: number;
  octets: number;
  longLine: boolean;
  readonly pieces: Buffer[];
}

export class MimeWalk {
  readonly #lines = new LineReader((piece) => this.#line(piece));
  readonly #levels: Level[] = [];
  readonly #boundaries = new OpenBoundaries();
  readonly #found: Found[] = [];
  readonly #containers: Container[] = [];
  #asciiHeaders = true;
  #header: OpenHeader | undefined = openHeader('message', 0, 'text/plain');
  #parts = 1;
  /** Of the line end before this line: it belongs to a boundary that stands here. */
  #lineEnd = 0;
  #tooMuch = false;
  readonly #takeLong: (header: LongHeader) => void;

  /** `takeLong` is given each as it has come: work that waited for the end would be done in one turn. */
  constructor(takeLong: (header: LongHeader) => void) {
    this.#takeLong = takeLong;
  }

  push(block: Buffer): void {
    if (!this.#tooMuch) this.#lines.push(block);
  }

  end(): WalkResult | { readonly kind: 'tooMuch' } {
    const end = this.#lines.end();
    if (this.#header !== undefined) this.#headerDone(end);
    this.#close(0, end, true);
    if (this.#tooMuch) return { kind: 'tooMuch' };
    const asciiHeaders = this.#asciiHeaders;
    return { kind: 'walked', found: this.#found, containers: this.#containers, asciiHeaders };
  }

  #line(piece: LinePiece): void {
    if (this.#tooMuch) return;
    const { octets, start, begins } = piece;
    if (begins && octets[0] === DASH && octets[1] === DASH && this.#delimiter(octets, start)) return;
    if (this.#header !== undefined) this.#headerLine(this.#header, piece);
    else this.#levels.at(-1)?.facts.add(octets);
    this.#lineEnd = octets.at(-2) === CR ? 2 : 1;
  }

  #headerLine(header: OpenHeader, { octets, start, begins }: LinePiece): void {
    header.octets += octets.length;
    const max = header.start === 0 ? MAX_HEADER_OCTETS : MAX_PART_HEADER_OCTETS;
    if (header.octets > max) {
      this.#tooMuch = true;
      return;
    }
    if (octets.length > MAX_LINE_OCTETS + 2) header.longLine = true;
    header.pieces.push(Buffer.from(octets));
    const empty = begins && (octets.length === 1 || (octets.length === 2 && octets[0] === CR));
    if (empty) this.#headerDone(start + octets.length);
  }

  /** The body begins at `at`. */
  #headerDone(at: number): void {
    const header = this.#header;
    if (header === undefined) return;
    this.#header = undefined;
    const section = Buffer.concat(header.pieces);
    const entity = entityOf(section, header);
    this.#asciiHeaders &&= entity.ascii;
    if (header.longLine) this.#takeLong({ section, start: header.start });
    this.#open(entity, at);
  }

  #open(entity: Entity, at: number): void {
    const kind = kindOf(entity);
    const container = kind === 'leaf' ? undefined : { entity, from: this.#found.length, to: this.#found.length };
    if (container !== undefined) this.#containers.push(container);
    const boundary = kind === 'multipart' ? entity.boundary : undefined;
    if (boundary !== undefined) this.#boundaries.open(boundary, this.#levels.length);
    this.#levels.push({
      ...{ entity, kind, boundary, container, start: at, facts: new BodyFacts(), parts: 'none', doubtful: false },
    });
    if (kind === 'message') this.#begin('message', at, 'text/plain');
  }

  #begin(kind: 'message' | 'part', start: number, defaultType: string): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS || this.#levels.length > MAX_DEPTH) this.#tooMuch = true;
    this.#header = openHeader(kind, start, defaultType);
  }

  /** Whether the line is the boundary of a multipart that is open. */
  #delimiter(line: Buffer, at: number): boolean {
    if (line.length > MAX_DELIMITER_OCTETS) return false;
    for (let found = this.#boundaries.find(line); found !== undefined;) {
      const level = this.#levels[found.level];
      if (level === undefined) return false;
      if (level.parts !== 'all') {
        this.#toDelimiter(level, found.level, at);
        this.#delimited(level, found.how, at + line.length);
        return true;
      }
      // Some go on reading parts here.
      level.doubtful = true;
      found = this.#boundaries.find(line, found.level);
    }
    return false;
  }

  #delimited(level: Level, how: Delimiting['how'], end: number): void {
    this.#lineEnd = 0;
    if (how === 'closes') this.#reopenGap(level, end);
    else this.#begin('part', end, level.entity.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain');
  }

  /** Ends what stands before the boundary of this level. */
  #toDelimiter(level: Level, index: number, at: number): void {
    const end = at - this.#lineEnd;
    if (this.#header !== undefined) this.#headerDone(at);
    // Of a message without anything in it.
    this.#header = undefined;
    this.#close(index + 1, end, false);
    this.#give(level, { end, last: false });
    level.parts = 'some';
    // Between the parts of a multipart is no gap.
    level.start = Infinity;
    level.facts = new BodyFacts();
  }

  #reopenGap(level: Level, at: number): void {
    level.parts = 'all';
    level.start = at;
    // A line end belongs to the boundary before it.
    this.#lineEnd = 0;
  }

  #close(downTo: number, end: number, last: boolean): void {
    while (this.#levels.length > downTo) {
      const level = this.#levels.pop();
      if (level === undefined) return;
      if (level.boundary !== undefined) this.#boundaries.close(level.boundary);
      // Without any boundary it is no gap to all readers.
      if (level.parts === 'none') level.doubtful = true;
      this.#give(level, { end, last });
      if (level.container !== undefined) level.container.to = this.#found.length;
    }
  }

  #give({ kind, entity, start, facts, doubtful }: Level, at: Pick<Found, 'end' | 'last'>): void {
    if (kind === 'message' || start >= at.end || !facts.isUnfit) return;
    this.#found.push({ kind: kind === 'multipart' ? 'gap' : 'leaf', entity, start, facts, doubtful, ...at });
  }
}

function openHeader(kind: 'message' | 'part', start: number, defaultType: string): OpenHeader {
  return { kind, start, defaultType, octets: 0, longLine: false, pieces: [] };
}

/** What is encoded, or signed as a whole, is not looked into. */
function kindOf({ type, clear, encoding }: Entity): Level['kind'] {
  if (!clear || !isPlain(encoding)) return 'leaf';
  if (type === 'message/rfc822') return 'message';
  const opaque = type === 'multipart/signed' || type === 'multipart/encrypted';
  return type.startsWith('multipart/') && !opaque ? 'multipart' : 'leaf';
}

/** RFC 2045 §6.4: nothing that has parts may be in another. */
export function isPlain(encoding: Entity['encoding']): boolean {
  return encoding === 'none' || encoding === '7bit' || encoding === '8bit' || encoding === 'binary';
}
