/** The suites of the prover, in the order in which they run. */

import { neighboursSuite } from './neighbours/neighbours.ts';
import { type Suite } from './suite.ts';

export const SUITES: readonly Suite[] = [neighboursSuite];
