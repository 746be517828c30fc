/**
 * Which lines of a page have been stored before.
 *
 * Sequence number, place in the record and time make a line the one it is. Records are numbered upwards, so a line
 * above all before it is new and needs no look. The others are rare, and are looked for: a record appended again
 * after a crash or a failed write, and a spool made anew, which counts from the beginning.
 */

import { type Known, sequencesOf, storedOf, timesOf } from './block.ts';
import { lineOf } from './log-reader.ts';

/** Highest number that was stored, and the highest place in that record. */
export interface Stamp {
  readonly sequence: number;
  readonly n: number;
}

export interface Where {
  readonly since: number;
  readonly until: number;
  readonly lowest: number;
  readonly highest: number;
}

export const NO_STAMP: Stamp = { sequence: -1, n: -1 };

export function highestOf(known: readonly Known[], before: Stamp): Stamp {
  let highest = before;
  for (const { line } of known) if (isAbove(line, highest)) highest = { sequence: line.sequence ?? 0, n: line.n };
  return highest;
}

/** `linesIn`: of all blocks that have both such times and such numbers. */
export function withoutRepeats(
  known: readonly Known[],
  highest: Stamp,
  linesIn: (where: Where) => Iterable<readonly string[]>,
): readonly Known[] {
  const doubtful = doubtfulOf(known, highest);
  const [times, sequences] = [timesOf(doubtful), sequencesOf(doubtful)];
  if (times === undefined || sequences === undefined) return known;
  const where = { since: times.least, until: times.most, lowest: sequences.least, highest: sequences.most };
  const seen = storedAmong(doubtful, linesIn(where));
  return known.filter((each) => {
    const key = keyOf(each);
    if (seen.has(key)) return false;
    if (each.line.sequence !== undefined) seen.add(key);
    return true;
  });
}

/** Those that are not above all before them. */
function doubtfulOf(known: readonly Known[], highest: Stamp): readonly Known[] {
  let before = highest;
  return known.filter(({ line }) => {
    if (line.sequence === undefined) return false;
    if (!isAbove(line, before)) return true;
    before = { sequence: line.sequence, n: line.n };
    return false;
  });
}

function storedAmong(doubtful: readonly Known[], blocks: Iterable<readonly string[]>): Set<string> {
  const stamps = new Set(doubtful.map(({ line }) => stampOf(line)));
  const stored = new Set<string>();
  for (const lines of blocks) {
    for (const line of lines) {
      // Reading the event costs more than its stamp, and few lines are wanted.
      const known = stamps.has(stampOf(lineOf(line))) ? storedOf(line) : undefined;
      if (known !== undefined) stored.add(keyOf(known));
    }
  }
  return stored;
}

function isAbove({ sequence, n }: Known['line'], { sequence: highest, n: highestN }: Stamp): boolean {
  return sequence !== undefined && (sequence > highest || (sequence === highest && n > highestN));
}

function stampOf({ sequence, n }: Known['line']): string {
  return `${sequence}.${n}`;
}

function keyOf({ line, event }: Known): string {
  return `${stampOf(line)}@${event.at}`;
}
