/**
 * How many octets of content a thread may keep in memory at once.
 *
 * Above half, new content is to go to a file early and kept content is dropped; at the limit, content is
 * refused with 452 4.3.1. Whoever takes octets gives exactly as many back.
 */
export class OctetBudget {
  readonly limit: number;
  #used = 0;
  /** Asked to give back so many octets that it can do without, before more than half is in use. */
  onTight: (excess: number) => void = () => {};

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** More than half is in use: be sparing. */
  get tight(): boolean {
    return this.#used * 2 > this.limit;
  }

  /** False, and nothing taken, when the octets do not fit. */
  take(octets: number): boolean {
    const excess = this.#used + octets - this.limit / 2;
    if (excess > 0) this.onTight(excess);
    if (this.#used + octets > this.limit) return false;
    this.#used += octets;
    return true;
  }

  give(octets: number): void {
    if (octets > this.#used) throw new Error(`gave ${octets} octets back, but only ${this.#used} were taken`);
    this.#used -= octets;
  }
}
