/** Mail of all sizes, by number: small as most is, and now and then one that the spool keeps in a file. */

import { contentOf, type Mail } from '../../test/lib/fast-source.ts';
import { Chance } from '../chance.ts';

/** Lines. Large is above the 256 KiB that are kept in the store. */
const LARGE = 4000;
const SMALL = 80;
const LARGE_EVERY = 8;
/** Octets, with the line end. */
const LINE = 74;

export interface MailsOptions {
  readonly seed: number;
  readonly domains: readonly string[];
  /** One in so many is large; 0: none. */
  readonly largeEvery?: number;
}

export class Mails {
  readonly #domains: readonly string[];
  readonly #largeEvery: number;
  readonly #seed: number;
  readonly #text: string;
  #made = 0;

  constructor({ seed, domains, largeEvery = LARGE_EVERY }: MailsOptions) {
    this.#domains = domains;
    this.#largeEvery = largeEvery;
    this.#seed = seed;
    this.#text = textOf(new Chance(seed), LARGE * 2);
  }

  /** How many there are so far: the number of the last. */
  get made(): number {
    return this.#made;
  }

  next(): Mail {
    this.#made += 1;
    return this.#mail(this.#made);
  }

  isLarge(to: string): boolean {
    const n = numberOf(to);
    return this.#largeEvery > 0 && n % this.#largeEvery === 0;
  }

  /** As it was handed over, without the dot that ends it. */
  sent(to: string): Buffer {
    const content = contentOf(this.#mail(numberOf(to)));
    return Buffer.from(content.slice(0, content.lastIndexOf('.\r\n')), 'latin1');
  }

  #mail(n: number): Mail {
    const to = `n${n}@${this.#domains[n % this.#domains.length] ?? ''}`;
    const chance = new Chance(this.#seed + n);
    const lines = this.isLarge(to) ? LARGE + chance.whole(0, LARGE / 2) : 1 + chance.whole(0, SMALL);
    const from = chance.whole(0, LARGE / 2) * LINE;
    return { to, body: this.#text.slice(from, from + lines * LINE) };
  }
}

export function numberOf(to: string): number {
  return Number(/^n(\d+)@/.exec(to)?.[1]);
}

/** Lines of letters and digits: nothing in it has a meaning of its own for SMTP. */
function textOf(chance: Chance, lines: number): string {
  const made: string[] = [];
  for (let n = 0; n < lines; n += 1) {
    let line = '';
    while (line.length < LINE - 2) line += chance.next().toString(36).slice(2);
    made.push(`${line.slice(0, LINE - 2)}\r\n`);
  }
  return made.join('');
}
