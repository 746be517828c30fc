/** What octets a stretch of content has that some servers do not take. */

import { isUtf8 } from 'node:buffer';

// RFC 5322 §2.1.1: 998 without the CRLF.
export const MAX_LINE_OCTETS = 998;
const CR = 0x0d;
const LF = 0x0a;

export class BodyFacts {
  /** Octets above 126. */
  high = 0;
  octets = 0;
  hasNul = false;
  /** A CR or LF that is not half of a line end. */
  hasBareNewline = false;
  hasLongLine = false;
  /** What is not ASCII is UTF-8, as far as it could be seen. */
  isUtf8 = true;
  #line = 0;

  /** Not for every server that takes 7-bit lines. */
  get isEightBit(): boolean {
    return this.high > 0 || this.hasNul || this.hasBareNewline;
  }

  get isUnfit(): boolean {
    return this.isEightBit || this.hasLongLine;
  }

  /** A line with its end, or the next piece of a long one. */
  add(octets: Buffer): void {
    const { length } = octets;
    const ended = octets[length - 1] === LF;
    const text = ended ? length - (octets[length - 2] === CR ? 2 : 1) : length;
    if (ended && text === length - 1) this.hasBareNewline = true;
    const high = this.#look(octets, text);
    this.high += high;
    if (high > 0 && this.isUtf8 && !isUtf8(octets)) this.isUtf8 = false;
    this.octets += length;
    this.#line += text;
    if (this.#line > MAX_LINE_OCTETS) this.hasLongLine = true;
    if (ended) this.#line = 0;
  }

  #look(octets: Buffer, end: number): number {
    let high = 0;
    for (let at = 0; at < end; at += 1) {
      const octet = octets[at] ?? 0;
      if (octet > 126) high += 1;
      else if (octet === 0) this.hasNul = true;
      else if (octet === CR) this.hasBareNewline = true;
    }
    return high;
  }
}
