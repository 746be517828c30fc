/** How long to wait before the working process, or a worker, is started again after it died. */

import { type Duration, SECOND } from '../lib/time.ts';

const FIRST: Duration = SECOND / 4;
const LONGEST: Duration = 30 * SECOND;

/** `crashes` in a row, at least one. */
export function restartDelay(crashes: number): Duration {
  return Math.min(LONGEST, FIRST * 2 ** (crashes - 1));
}
