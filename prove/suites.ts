/** The suites of the prover, in the order in which they run. */

import { limitsSuite } from './limits/limits.ts';
import { type Suite } from './suite.ts';

export const SUITES: readonly Suite[] = [limitsSuite];
