/** The suites of the prover, in the order in which they run. */

import { killSuite } from './kill/kill.ts';
import { type Suite } from './suite.ts';

export const SUITES: readonly Suite[] = [killSuite];
