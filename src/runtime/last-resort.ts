/**
 * The end of a stop that does not end by itself: an operation on a file may hang for ever, and then no orderly exit comes.
 *
 * The process is killed when the time to drain and a margin are over, and at once when a person asks a second time. What
 * was committed is safe whenever that is.
 */

import { SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Timer, type Timers } from '../ports/timers.ts';

export interface LastResortOptions {
  readonly timers: Timers;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Log;
  readonly kill: () => void;
}

/** Behind the time to drain: deliveries are cut off, faces and stores are closed. */
const MARGIN = 10 * SECOND;
/** Until it is told: the default of `drainTime`. */
const USUAL_DRAIN_TIME = 30 * SECOND;
/** A terminal tells every process of its own, and npm passes it on besides: that is one wish, heard twice. */
const SAME_WISH = SECOND / 2;

export class LastResort {
  readonly #options: LastResortOptions;
  #drainTime = USUAL_DRAIN_TIME;
  #askedAt: number | undefined;
  #timer: Timer | undefined;
  #used = false;

  constructor(options: LastResortOptions) {
    this.#options = options;
  }

  /** The process was killed. */
  get used(): boolean {
    return this.#used;
  }

  /** How long a stop that begins from now on may take, but for the margin. */
  allow(drainTime: number): void {
    this.#drainTime = drainTime;
  }

  /** A stop has begun, whoever asked for it. Later calls change nothing. */
  stopping(): void {
    const within = this.#drainTime + MARGIN;
    this.#timer ??= this.#options.timers.after(within, () => {
      this.#kill('the stop does not end, the working process is killed; nothing that was accepted is lost', {
        afterMs: within,
      });
    });
  }

  /** A signal to stop has come. */
  asked(): void {
    const now = this.#options.clock.monotonic();
    this.stopping();
    this.#askedAt ??= now;
    if (now - this.#askedAt >= SAME_WISH)
      this.#kill('told to stop a second time, the working process is killed; nothing that was accepted is lost');
  }

  ended(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #kill(why: string, facts: Readonly<Record<string, number>> = {}): void {
    if (this.#used) return;
    this.#used = true;
    this.#timer?.cancel();
    this.#options.log.error(why, facts);
    this.#options.kill();
  }
}
