/** Lines of content that comes in blocks: each whole, unless it is longer than a line of a header section ever is. */

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);
/** A line that is longer comes in pieces. */
const MAX_GATHERED = 8192;

export interface LinePiece {
  readonly octets: Buffer;
  /** Of the first of them in the whole content. */
  readonly start: number;
  readonly begins: boolean;
}

export class LineReader {
  readonly #take: (piece: LinePiece) => void;
  #rest: Buffer = NOTHING;
  /** Of the rest. */
  #start = 0;
  #begins = true;

  constructor(take: (piece: LinePiece) => void) {
    this.#take = take;
  }

  /** The octets are looked at while this runs, and not kept. */
  push(block: Buffer): void {
    const octets = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block]);
    let at = 0;
    for (let lf = octets.indexOf(LF, at); lf !== -1; lf = octets.indexOf(LF, at)) {
      this.#give(octets.subarray(at, lf + 1), 'ended');
      at = lf + 1;
    }
    const left = octets.length - at;
    // A CR may be the first half of a line end.
    const waits = octets[octets.length - 1] === CR ? 1 : 0;
    if (left > MAX_GATHERED) {
      this.#give(octets.subarray(at, octets.length - waits), 'goesOn');
      at = octets.length - waits;
    }
    this.#rest = Buffer.from(octets.subarray(at));
  }

  /** The octets that have come. */
  end(): number {
    if (this.#rest.length > 0) this.#give(this.#rest, 'goesOn');
    this.#rest = NOTHING;
    return this.#start;
  }

  #give(octets: Buffer, how: 'ended' | 'goesOn'): void {
    const piece = { octets, start: this.#start, begins: this.#begins };
    this.#start += octets.length;
    this.#begins = how === 'ended';
    this.#take(piece);
  }
}
