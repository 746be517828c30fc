/** Chance that can be had again: the same seed leaves the same disk. */

import { Chance as Numbers } from '../chance.ts';
import { type Chance } from './disk.ts';

/** Each draw has its own leaning, so that disks that have nearly all or nearly nothing come up as well. */
export function chanceFrom(seed: number): Chance {
  const numbers = new Numbers(seed);
  const leaning = numbers.next();
  const likely = (): boolean => numbers.next() < leaning;
  return {
    name: likely,
    resize: likely,
    write: () => {
      const how = numbers.next();
      const grown = numbers.next() < 0.5;
      // A third of the writes is torn: sector by sector.
      if (how < 1 / 3) return { kept: () => numbers.next() < 0.5, grown };
      const isKept = likely();
      return { kept: () => isKept, grown: grown || isKept };
    },
  };
}
