/**
 * Back-off after refusals: nothing until a time that grows with each refusal, then one probe.
 *
 * A refusal of an attempt that began before the last refusal was known says nothing new and does not count:
 * ten connections refused together are one refusal.
 */

import { type Duration, type Instant } from '../lib/time.ts';

export interface BackoffOptions {
  readonly first: Duration;
  readonly max: Duration;
}

export interface Refusal {
  readonly startedAt: Instant;
  readonly now: Instant;
  /** A wait the receiver named. */
  readonly wait: Duration | undefined;
  /** At least 0 and less than 1. */
  readonly jitter: number;
  readonly diagnostic: string;
}

export class Backoff {
  #refusals = 0;
  #since: Instant = Number.NEGATIVE_INFINITY;
  #until: Instant = Number.NEGATIVE_INFINITY;
  #lastStartedAt: Instant = Number.NEGATIVE_INFINITY;
  #diagnostic = '';

  /** Refusals in a row. While there are any, one probe at a time. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Nothing goes before. */
  get until(): Instant {
    return this.#until;
  }

  /** When the last refused attempt began. */
  get lastStartedAt(): Instant {
    return this.#lastStartedAt;
  }

  get diagnostic(): string {
    return this.#diagnostic;
  }

  /** An operator wants it tried now; what was learned stays. */
  forget(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** Whether the refusal was news. */
  refused({ startedAt, now, wait, jitter, diagnostic }: Refusal, { first, max }: BackoffOptions): boolean {
    this.#lastStartedAt = Math.max(this.#lastStartedAt, startedAt);
    this.#diagnostic = diagnostic;
    if (this.#refusals > 0 && startedAt < this.#since) return false;
    const delay = Math.min(first * 2 ** Math.min(this.#refusals, 30), max);
    this.#refusals++;
    this.#since = now;
    // A receiver may ask for more than our schedule, but not for a day of silence.
    this.#until = Math.round(now + Math.max(delay, Math.min(wait ?? 0, max)) * (1 + jitter / 10));
    return true;
  }

  /** An attempt that began at `startedAt` succeeded. Whether that ends the back-off. */
  succeeded(startedAt: Instant): boolean {
    if (this.#refusals === 0 || startedAt < this.#since) return false;
    this.clear();
    return true;
  }

  /** The wall clock went back: nothing is waited for longer than the longest back-off. */
  clockMoved(now: Instant, max: Duration): void {
    this.#until = Math.min(this.#until, now + max);
    this.#since = Math.min(this.#since, now);
    this.#lastStartedAt = Math.min(this.#lastStartedAt, now);
  }

  clear(): void {
    this.#refusals = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }
}
