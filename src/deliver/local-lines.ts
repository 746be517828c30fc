/** CRLF as local programs and mailboxes want it: LF. A CR that ends no line stays. */

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

export class LocalLines {
  #heldCr = false;

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return NOTHING;
    const pieces: Buffer[] = [];
    if (this.#heldCr && chunk[0] !== LF) pieces.push(Buffer.of(CR));
    this.#heldCr = chunk[chunk.length - 1] === CR;
    const end = this.#heldCr ? chunk.length - 1 : chunk.length;
    let at = 0;
    while (at < end) {
      const crlf = chunk.indexOf('\r\n', at, 'latin1');
      const to = crlf === -1 ? end : crlf;
      pieces.push(chunk.subarray(at, to));
      at = crlf === -1 ? end : crlf + 1;
    }
    return Buffer.concat(pieces);
  }

  end(): Buffer {
    return this.#heldCr ? Buffer.of(CR) : NOTHING;
  }
}
