/**
 * Memory for the octets of one group commit, used again for a later one.
 *
 * The store reads values from where they lie until a commit settles, so nothing of an arena may be handed out
 * again before that. Copying into one place also keeps the count of array buffers, and their addresses, small.
 */

const CHUNK_OCTETS = 1024 * 1024;
const EMPTY = Buffer.alloc(0);

export class Arena {
  readonly #first = Buffer.allocUnsafeSlow(CHUNK_OCTETS);
  #chunk = this.#first;
  #used = 0;

  /** A copy; the caller may write to `octets` again. */
  copy(octets: Uint8Array): Buffer {
    const target = this.#take(octets.length);
    target.set(octets);
    return target;
  }

  text(value: string): Buffer {
    // UTF-8 needs at most three octets for each UTF-16 unit.
    const most = value.length * 3;
    if (most > this.#chunk.length - this.#used) this.#grow(most);
    const start = this.#used;
    this.#used += this.#chunk.write(value, start, 'utf8');
    return this.#chunk.subarray(start, this.#used);
  }

  /** Only when the commit that used it has settled. Memory beyond the first chunk goes back. */
  reset(): void {
    this.#chunk = this.#first;
    this.#used = 0;
  }

  #take(octets: number): Buffer {
    if (octets === 0) return EMPTY;
    if (octets > this.#chunk.length - this.#used) this.#grow(octets);
    const start = this.#used;
    this.#used += octets;
    return this.#chunk.subarray(start, this.#used);
  }

  #grow(octets: number): void {
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(octets, CHUNK_OCTETS));
    this.#used = 0;
  }
}
