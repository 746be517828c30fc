/** Where the time comes from. Implemented in `runtime/clock.ts`; tests pass a hand-moved one. */

import { type Instant } from '../lib/time.ts';

export interface Clock {
  /** The wall clock. May jump either way. */
  now(): Instant;
  /** Milliseconds since an arbitrary start; never goes back and does not follow the wall clock's jumps. */
  monotonic(): number;
}
