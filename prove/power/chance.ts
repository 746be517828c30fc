/** Chance that can be had again: the same seed leaves the same disk. */

import { type Chance } from './disk.ts';

/** Numbers from 0 up to 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Each draw has its own leaning, so that disks that have nearly all or nearly nothing come up as well. */
export function chanceFrom(seed: number): Chance {
  const random = randomFrom(seed);
  const leaning = random();
  const likely = (): boolean => random() < leaning;
  return {
    name: likely,
    resize: likely,
    write: () => {
      const how = random();
      const grown = random() < 0.5;
      // A third of the writes is torn: sector by sector.
      if (how < 1 / 3) return { kept: () => random() < 0.5, grown };
      const isKept = likely();
      return { kept: () => isKept, grown: grown || isKept };
    },
  };
}
