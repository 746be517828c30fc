/**
 * Watches the wall clock against the monotonic one.
 *
 * A clock that jumped by more than ten minutes lets nothing expire: mail must not be returned because a clock was
 * set wrong, or set right. What the clock says is believed again when it has not jumped for a day.
 *
 * At the start it is compared with the time at which the system was last seen: a clock that is behind that, or a month
 * ahead of it, has jumped while nobody looked. (A machine may be off for days; after a month its mail has a day more.)
 */

import { DAY, type Duration, type Instant, MINUTE, SECOND } from '../../lib/time.ts';
import { type Clock } from '../../ports/clock.ts';

export type ClockState = 'steady' | 'moved';

// Smaller steps are what time synchronization makes all day.
const JUMP: Duration = 5 * SECOND;
const STEADY_WITHIN: Duration = 10 * MINUTE;
const BELIEVED_AFTER: Duration = DAY;
const LONGEST_AWAY: Duration = 30 * DAY;

export class ClockWatch {
  readonly #clock: Clock;
  /** Wall clock less monotonic clock: as believed, and when last looked at. */
  #believed: number;
  #last: number;
  #jumpedAt: Instant;

  /** `lastSeen`: by the clock of an earlier run. */
  constructor(clock: Clock, lastSeen?: Instant) {
    this.#clock = clock;
    this.#believed = this.#last = this.#offset();
    this.#jumpedAt = -Infinity;
    const away = lastSeen === undefined ? 0 : clock.now() - lastSeen;
    if (away <= LONGEST_AWAY && away >= -STEADY_WITHIN) return;
    this.#believed -= away;
    this.#jumpedAt = clock.monotonic();
  }

  get state(): ClockState {
    return Math.abs(this.#offset() - this.#believed) > STEADY_WITHIN ? 'moved' : 'steady';
  }

  /** By how much the clock has jumped since the last look; 0 for what need not be minded. To be called often. */
  look(): Duration {
    const offset = this.#offset();
    const moved = offset - this.#last;
    this.#last = offset;
    const jumped = Math.abs(moved) > JUMP;
    if (jumped) this.#jumpedAt = this.#clock.monotonic();
    else if (this.#clock.monotonic() - this.#jumpedAt >= BELIEVED_AFTER) this.#believed = offset;
    return jumped ? moved : 0;
  }

  #offset(): number {
    return this.#clock.now() - this.#clock.monotonic();
  }
}
