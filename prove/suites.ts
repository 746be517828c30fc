/** The suites of the prover, in the order in which they run. */

import { killSuite } from './kill/kill.ts';
import { limitsSuite } from './limits/limits.ts';
import { powerSuite } from './power/power.ts';
import { readersSuite } from './readers/readers.ts';
import { neighboursSuite } from './neighbours/neighbours.ts';
import { type Suite } from './suite.ts';
import { storageSuite } from './storage/storage.ts';
import { timeSuite } from './time/time.ts';

export const SUITES: readonly Suite[] = [
  killSuite,
  powerSuite,
  storageSuite,
  timeSuite,
  neighboursSuite,
  limitsSuite,
  readersSuite,
];
