/** What a suite of the prover is, is given, and gives back. */

/** `short`: part of `npm test`, a minute or two. `long`: what `npm run prove` does. `fault`: as much as shows a planted fault. */
export type Length = 'short' | 'long' | 'fault';

export interface SuiteContext {
  readonly length: Length;
  /** Everything random follows from it, so that a run can be had again. */
  readonly seed: number;
  /** For the person who waits. */
  readonly tell: (text: string) => void;
  /** A change that is laid over the product; none: the product as it is. */
  readonly fault: Fault | undefined;
}

export interface SuiteResult {
  /** What was tried, counted: `{ kills: 1000, 'kills in a commit': 40 }`. */
  readonly cases: Readonly<Record<string, number>>;
  /** Each promise that was broken: which, where, by what. None: the suite has passed. */
  readonly failures: readonly string[];
  /** What was measured on the way, each name with its unit. */
  readonly figures: Readonly<Record<string, number | string>>;
  /** What could not be tried here, and why. */
  readonly skipped: readonly string[];
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  run(context: SuiteContext): Promise<SuiteResult>;
  /** Faults that this suite must find; `--sabotage` plants them one by one. */
  readonly faults: readonly Fault[];
}

/** A mistake that somebody could make. */
export interface Fault {
  readonly name: string;
  readonly plants: readonly Plant[];
}

/** A change of the product's compiled text while it is loaded. */
export interface Plant {
  /** Below the build: `runtime/queue-manager/settler.js`. */
  readonly file: string;
  /** Occurs there exactly once, else the product does not start: a fault that cannot be planted proves nothing. */
  readonly find: string;
  readonly replace: string;
}
