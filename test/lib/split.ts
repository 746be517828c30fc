/** The same octets in other pieces: what a network does to a stream. */

/** Cuts at the given places, in any order; places beyond the end do nothing. Pieces are copies. */
export function splitAt(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.filter((cut) => cut > 0 && cut < whole.length))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => Buffer.from(whole.subarray(from, places[i] ?? whole.length)));
}

/** One octet a piece. */
export function splitWhole(whole: Buffer): Buffer[] {
  return [...whole].map((octet) => Buffer.from([octet]));
}
