/** Waking later. Implemented in `runtime/timers.ts` (real timers); tests fire them by hand. */

export interface Timers {
  /** Calls back once after `delay` milliseconds unless cancelled. */
  after(delay: number, wake: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}
