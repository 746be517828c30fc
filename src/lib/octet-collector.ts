/**
 * Gathers chunks of octets into one growing buffer.
 *
 * Chunks are copied, so that a peer that sends one octet at a time costs octets and not objects; capacity
 * doubles, so that each octet is copied a bounded number of times.
 */

const FIRST_CAPACITY = 8192;
const NOTHING = Buffer.alloc(0);

export class OctetCollector {
  #octets: Buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies the chunk: the caller may write to it again. */
  push(chunk: Buffer): void {
    if (this.#length + chunk.length > this.#octets.length) this.#grow(this.#length + chunk.length);
    chunk.copy(this.#octets, this.#length);
    this.#length += chunk.length;
  }

  /** What was gathered so far; valid until the next `push` or `take`. */
  view(): Buffer {
    return this.#octets.subarray(0, this.#length);
  }

  /** What was gathered, handed over; the collector is empty again. */
  take(): Buffer {
    const taken = this.view();
    this.#octets = NOTHING;
    this.#length = 0;
    return taken;
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY, needed, this.#octets.length * 2));
    this.#octets.copy(grown, 0, 0, this.#length);
    this.#octets = grown;
  }
}
