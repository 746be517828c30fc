/** Which disks are opened: for each moment at which the power may go, what chance leaves of what was not durable. */

import { Chance as Numbers } from '../chance.ts';
import { chanceFrom } from './chance.ts';
import { ALL_KEPT, type Chance, NOTHING_KEPT } from './disk.ts';
import { type Cut } from './recording.ts';

/** One disk that a cut may leave; a number is what chance begins with. */
export interface Draw {
  readonly cut: Cut;
  readonly kept: 'nothing' | 'all' | number;
}

export interface Judged {
  /** Undefined: the same disk, with the same promises, was opened before. */
  readonly failures: readonly string[] | undefined;
}

/** The two extremes of each cut, and so many subsets between them. */
export function drawsOf(cuts: readonly Cut[], subsets: number, seed: number): readonly Draw[] {
  const numbers = new Numbers(seed);
  const draw = (): number => Math.floor(numbers.next() * 2 ** 32);
  return cuts.flatMap((cut) => [
    { cut, kept: 'nothing' as const },
    { cut, kept: 'all' as const },
    ...Array.from({ length: subsets }, () => ({ cut, kept: draw() })),
  ]);
}

export function chanceOf({ kept }: Draw): Chance {
  if (typeof kept === 'number') return chanceFrom(kept);
  return kept === 'all' ? ALL_KEPT : NOTHING_KEPT;
}

/** So many of them at most, spread by chance over all, in their order. */
export function sample<T>(all: readonly T[], most: number, seed: number): readonly T[] {
  const numbers = new Numbers(seed);
  const chosen: T[] = [];
  for (const [i, one] of all.entries())
    if (numbers.next() < (most - chosen.length) / (all.length - i)) chosen.push(one);
  return chosen;
}

/** A draw in words from which it can be had again. */
export function wordsFor({ cut, kept }: Draw): string {
  const what = typeof kept === 'number' ? `a subset (${kept})` : kept;
  return `cut ${cut.steps}, ${cut.answered} answered, ${what} of what was not synced kept`;
}
