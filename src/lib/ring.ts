/** A queue at both ends in a circular array: every operation is O(1), and memory follows its length down again. */

// Most rings hold one thing: with eight places, twenty thousand of them took a megabyte more.
const SMALLEST = 2;

export class Ring<T> {
  #slots: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: T): void {
    if (this.#length === this.#slots.length) this.#resize(Math.max(SMALLEST, this.#length * 2));
    this.#slots[(this.#head + this.#length) % this.#slots.length] = value;
    this.#length++;
  }

  unshift(value: T): void {
    if (this.#length === this.#slots.length) this.#resize(Math.max(SMALLEST, this.#length * 2));
    this.#head = (this.#head - 1 + this.#slots.length) % this.#slots.length;
    this.#slots[this.#head] = value;
    this.#length++;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#length--;
    if (this.#slots.length > SMALLEST && this.#length <= this.#slots.length / 4) this.#resize(this.#slots.length / 2);
    return value;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head];
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#length = 0;
  }

  #resize(size: number): void {
    const slots: (T | undefined)[] = Array.from({ length: size });
    for (let i = 0; i < this.#length; i++) slots[i] = this.#slots[(this.#head + i) % this.#slots.length];
    this.#slots = slots;
    this.#head = 0;
  }
}
