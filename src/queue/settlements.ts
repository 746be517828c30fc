/** What was settled while pages were being read: a page that was asked for before does not bring it back. */

export class Settlements {
  /** The number of the last settlement of an entry; the oldest first. */
  readonly #since = new Map<string, number>();
  #count = 0;

  /** All so far: the moment at which a page is asked for. */
  get count(): number {
    return this.#count;
  }

  /** The entry is over or changed in the spool. It is remembered only while a page is being read. */
  add(id: string, reading: number): void {
    this.#count++;
    if (reading > 0) this.#since.set(id, this.#count);
  }

  /** Whether the entry was settled after that moment. */
  has(id: string, moment: number): boolean {
    return (this.#since.get(id) ?? 0) > moment;
  }

  /** No page is under way that was asked for before `moment`. */
  forget(moment: number): void {
    for (const [id, at] of this.#since) {
      if (at > moment) return;
      this.#since.delete(id);
    }
  }
}
