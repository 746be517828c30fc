/** Real timers. None of them keeps the process alive by itself. */

import { type Timer, type Timers } from '../ports/timers.ts';

// setTimeout takes at most a 32-bit number of milliseconds; a longer wait wakes early, which every caller allows for.
const MAX_DELAY = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(delay: number, wake: () => void): Timer {
    const handle = setTimeout(wake, Math.min(Math.max(0, delay), MAX_DELAY));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
