/**
 * Who has given no sign of life for too long.
 *
 * A watcher that was held up itself (a suspended machine, a stopped process) has heard nothing because it was not
 * listening: then everybody gets a new chance.
 */

import { type Duration, type Instant, SECOND } from '../lib/time.ts';
import { MAX_SILENCE } from '../observe/health.ts';

/** `silent` is to be asked about this often. */
export const LOOK_EVERY: Duration = SECOND;
const HELD_UP = 3 * LOOK_EVERY;

export class Watchdog<Id> {
  readonly #heard = new Map<Id, Instant>();
  #looked: Instant | undefined;

  /** Also: watched from now on. */
  heard(id: Id, now: Instant): void {
    this.#heard.set(id, now);
  }

  gone(id: Id): void {
    this.#heard.delete(id);
  }

  /** Each is named once; from then on it is no longer watched. */
  silent(now: Instant): readonly Id[] {
    const wasHeldUp = this.#looked !== undefined && now - this.#looked > HELD_UP;
    this.#looked = now;
    if (wasHeldUp) for (const id of this.#heard.keys()) this.#heard.set(id, now);
    const silent = [...this.#heard].filter(([, at]) => now - at >= MAX_SILENCE).map(([id]) => id);
    for (const id of silent) this.#heard.delete(id);
    return silent;
  }
}
