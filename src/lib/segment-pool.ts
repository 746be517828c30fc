/**
 * Memory for octets that come in quantity, used again and again.
 *
 * Memory outside the heap that only the collector gives back makes it run: with each 13 MiB that are read from sockets
 * V8 collects all of the heap, which took a quarter of all CPU time of relaying large messages. So octets are copied out of
 * what the socket gave (0.1 ms a MiB), and that is freed at once.
 *
 * A segment that is given back is written to again: nobody may use it any more, neither code here nor the system, by a
 * write that has not ended. Not to give one back is safe: the collector takes it.
 */

export const SEGMENT_OCTETS = 65_536;

export class SegmentPool {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  /** Their memory, so that a part of a segment tells of which it is one, and each comes back once. */
  readonly #lent = new WeakMap<ArrayBufferLike, Buffer>();

  /** At most so many octets wait for their next use. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  take(): Buffer {
    const segment = this.#free.pop() ?? Buffer.allocUnsafeSlow(SEGMENT_OCTETS);
    this.#lent.set(segment.buffer, segment);
    return segment;
  }

  /** Those of them that are segments, or parts; the others are left alone. */
  give(pieces: readonly Buffer[]): void {
    for (const { buffer } of pieces) {
      const segment = this.#lent.get(buffer);
      if (segment === undefined) continue;
      this.#lent.delete(buffer);
      if (this.#free.length * SEGMENT_OCTETS < this.#limit) this.#free.push(segment);
      else freeNow(segment);
    }
  }
}

const FREED_FROM = 4096;

/** A large buffer that is all of its memory: where it is a part, others may use the rest. */
export function freeNow({ buffer, byteLength }: Buffer): void {
  if (byteLength < FREED_FROM) return;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
