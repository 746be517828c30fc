/** A time by which something must have happened; moving it is a number and rarely a timer. */

import { type Clock } from '../ports/clock.ts';
import { type Timer, type Timers } from '../ports/timers.ts';

export class Deadline {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #expired: () => void;
  #at: number | undefined;
  #armed: { readonly timer: Timer; readonly at: number } | undefined;

  constructor(ports: { readonly clock: Clock; readonly timers: Timers }, expired: () => void) {
    this.#clock = ports.clock;
    this.#timers = ports.timers;
    this.#expired = expired;
  }

  /** Milliseconds from now; undefined: no longer. */
  set(delay: number | undefined): void {
    this.#at = delay === undefined ? undefined : this.#clock.monotonic() + delay;
    if (this.#at === undefined) return;
    if (this.#armed !== undefined && this.#armed.at <= this.#at) return;
    this.#armed?.timer.cancel();
    this.#arm(this.#at);
  }

  stop(): void {
    this.#at = undefined;
    this.#armed?.timer.cancel();
    this.#armed = undefined;
  }

  #arm(at: number): void {
    const timer = this.#timers.after(Math.max(0, at - this.#clock.monotonic()), () => this.#wake());
    this.#armed = { timer, at };
  }

  #wake(): void {
    this.#armed = undefined;
    if (this.#at === undefined) return;
    if (this.#clock.monotonic() < this.#at) return this.#arm(this.#at);
    this.#at = undefined;
    this.#expired();
    return undefined;
  }
}
