/** The suites of the prover, in the order in which they run. */

import { type Suite } from './suite.ts';
import { storageSuite } from './storage/storage.ts';
import { timeSuite } from './time/time.ts';

export const SUITES: readonly Suite[] = [storageSuite, timeSuite];
