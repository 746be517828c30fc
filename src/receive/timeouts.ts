/** The deadlines of all sessions of a thread: one wheel, and one timer that turns it while there is any. */

import { type Duration, HOUR, MINUTE, SECOND } from '../lib/time.ts';
import { TimerWheel, type WheelTimer } from '../lib/timer-wheel.ts';
import { type Clock } from '../ports/clock.ts';
import { type Timers } from '../ports/timers.ts';

const TICK = SECOND;

export interface Deadline {
  /** Begins anew, also after it was called. */
  restart(delay: Duration): void;
  cancel(): void;
}

export class Deadlines {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  #ticking = false;

  constructor(timers: Timers, clock: Clock) {
    this.#timers = timers;
    this.#clock = clock;
    this.#wheel = new TimerWheel(TICK, clock.monotonic());
  }

  /** Calls back once, after `delay` and at most a second later. */
  after(delay: Duration, wake: () => void): Deadline {
    let timer: WheelTimer | undefined;
    const restart = (again: Duration): void => {
      const at = this.#clock.monotonic() + again;
      if (timer !== undefined) return timer.move(at);
      // Nobody has turned the wheel while it was empty.
      if (!this.#ticking) this.#wheel.advance(this.#clock.monotonic());
      timer = this.#wheel.at(at, () => {
        timer = undefined;
        wake();
      });
      return this.#keepTicking();
    };
    restart(delay);
    return {
      restart,
      cancel: () => {
        timer?.cancel();
        timer = undefined;
      },
    };
  }

  #keepTicking(): void {
    if (this.#ticking || this.#wheel.size === 0) return;
    this.#ticking = true;
    this.#timers.after(TICK, () => {
      this.#ticking = false;
      this.#wheel.advance(this.#clock.monotonic());
      this.#keepTicking();
    });
  }
}

/** How long a session waits for its client (RFC 5321 §4.5.3.2, the server's side). */
export interface Timeouts {
  /** For a TLS handshake, or a PROXY header, to be complete. */
  readonly greeting: Duration;
  /** For the next command to be complete, and for a reply to be read. */
  readonly command: Duration;
  /** For the next octets of content. */
  readonly content: Duration;
  /** For everything. */
  readonly session: Duration;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  greeting: 30 * SECOND,
  command: 5 * MINUTE,
  content: 3 * MINUTE,
  session: 2 * HOUR,
};

/** From MAIL to the end of content: what a client that sends an octet a minute gets altogether. */
export const TRANSACTION_TIME: Duration = HOUR;

/** For the other side to close after we did. */
export const LINGER_TIME: Duration = 10 * SECOND;
