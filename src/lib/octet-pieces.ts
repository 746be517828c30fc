/**
 * Gathers chunks of octets as pieces, without making one buffer of them.
 *
 * What comes in large chunks is copied into segments of a pool, and the chunks are freed. What comes in small ones is
 * gathered in memory that grows with it, so that a peer that sends little costs little.
 */

import { OctetCollector } from './octet-collector.ts';
import { freeNow, SEGMENT_OCTETS, type SegmentPool } from './segment-pool.ts';

/** A segment is begun for no less than half of it. */
const SEGMENT_FROM = SEGMENT_OCTETS / 2;

/** How many began to read the pieces, and how many of them, and the system's writes with them, have ended. */
export interface PieceUses {
  begun: number;
  ended: number;
}

export class OctetPieces {
  readonly #pool: SegmentPool;
  #pieces: Buffer[] = [];
  readonly #small = new OctetCollector();
  #segment: Buffer | undefined;
  /** Of the open segment. */
  #filled = 0;
  #length = 0;

  constructor(pool: SegmentPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes the chunk over, and frees its memory if it is all of it: nobody may use it again. */
  push(chunk: Buffer): void {
    this.#length += chunk.length;
    let at = 0;
    while (at < chunk.length) at = this.#put(chunk, at);
    freeNow(chunk);
  }

  /** What was gathered so far; valid until the next `push` or `take`. */
  view(): readonly Buffer[] {
    this.#seal();
    return this.#pieces;
  }

  /** What was gathered, handed over; empty again. */
  take(): Buffer[] {
    this.#seal();
    const taken = this.#pieces;
    this.#pieces = [];
    this.#length = 0;
    return taken;
  }

  /** Puts some of the chunk away; where to go on. */
  #put(chunk: Buffer, from: number): number {
    if (this.#segment === undefined) {
      if (chunk.length - from < SEGMENT_FROM) return this.#gather(chunk, from);
      this.#seal();
      this.#segment = this.#pool.take();
    }
    const put = chunk.copy(this.#segment, this.#filled, from);
    this.#filled += put;
    if (this.#filled === SEGMENT_OCTETS) this.#seal();
    return from + put;
  }

  #gather(chunk: Buffer, from: number): number {
    this.#small.push(chunk.subarray(from));
    if (this.#small.length >= SEGMENT_OCTETS) this.#seal();
    return chunk.length;
  }

  #seal(): void {
    if (this.#small.length > 0) this.#pieces.push(this.#small.take());
    if (this.#segment !== undefined) this.#pieces.push(this.#segment.subarray(0, this.#filled));
    this.#segment = undefined;
    this.#filled = 0;
  }
}

/** All of it in memory of its own, which may be transferred to another thread whole; with so much room behind it. */
export function joinedPieces(pieces: readonly Uint8Array[], room = 0): Uint8Array {
  const octets = octetsOf(pieces);
  const whole = Buffer.allocUnsafeSlow(octets + room);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.subarray(0, octets);
}

export function octetsOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
