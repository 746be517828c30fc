/**
 * How much content is on its way to another thread at once: who comes when that is much waits for its turn.
 *
 * A turn of the other thread's event loop is as long as what has come for it: a quarter of a gigabyte in one burst
 * would stop everything else there for half a second.
 */

export class OctetWindow {
  readonly #limit: number;
  readonly #waiting: { readonly octets: number; readonly enter: () => void }[] = [];
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** In the order in which they ask. What alone is larger than the window goes when nothing else is on its way. */
  async through<T>(octets: number, send: () => Promise<T>): Promise<T> {
    if (this.#fits(octets) && this.#waiting.length === 0) this.#used += octets;
    else await new Promise<void>((enter) => this.#waiting.push({ octets, enter }));
    try {
      return await send();
    } finally {
      this.#used -= octets;
      this.#admit();
    }
  }

  #fits(octets: number): boolean {
    return this.#used === 0 || this.#used + octets <= this.#limit;
  }

  #admit(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#fits(next.octets)) return;
      this.#waiting.shift();
      this.#used += next.octets;
      next.enter();
    }
  }
}
