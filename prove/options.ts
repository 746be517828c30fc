/** The command line of the prover. */

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Length } from './suite.ts';

export interface ProveOptions {
  /** Names of suites; empty: all. */
  readonly suites: readonly string[];
  readonly length: Length;
  readonly sabotage: boolean;
  /** Names of faults; empty: all. */
  readonly faults: readonly string[];
  readonly seed: number;
  readonly results: string;
}

export const HELP = `npm run prove                      every suite, long: hours
npm run prove -- kill power        some suites
npm run prove -- --short           the form that npm test runs

  --sabotage         plant known faults, one by one, and fail unless the suites find each
  --faults a,b       only these of them
  --seed n           what everything random follows from (chosen anew each time, and printed)
  --results folder   where the JSON file goes (prove/results)
`;

const MAX_SEED = 2 ** 31;

/** Throws with a text for people. */
export function readOptions(argv: readonly string[], known: readonly string[]): ProveOptions | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      faults: { type: 'string' },
      seed: { type: 'string' },
      results: { type: 'string', default: 'prove/results' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no suite ${unknown.join(', ')}: there are ${known.join(', ')}`);
  const seed = values.seed === undefined ? randomInt(MAX_SEED) : Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed >= MAX_SEED)
    throw new Error(`--seed takes a number below ${MAX_SEED}, not ${values.seed}`);
  return {
    ...{ suites: positionals, sabotage: values.sabotage, seed, results: values.results },
    length: values.sabotage ? 'fault' : values.short ? 'short' : 'long',
    faults: values.faults?.split(',') ?? [],
  };
}
