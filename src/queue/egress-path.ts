/**
 * One egress path: a site group seen from one source. It has connections, a window and rates, and no queue:
 * when it may send, it pulls.
 *
 * The window is the number of connections that may be busy now. It starts small, doubles with each round of
 * successes and halves when the receiver says to slow down. Later control of the window and of the rates
 * belongs here and nowhere else.
 */

import { Gcra } from '../lib/gcra.ts';
import { type Duration, SECOND, type Instant } from '../lib/time.ts';
import { Backoff, type Refusal } from './backoff.ts';
import { type PathLimits } from './pace.ts';

// Told to slow down without a time: a short pause, longer each time, never as long as for a refusal.
const SLOW_DOWN = { first: 10 * SECOND, max: 600 * SECOND };
/** However quick the next hop is: what is on a connection when that breaks has to go again. */
const MAX_DEPTH = 8;
/** Of what the last messages took, this one's share. */
const NEWEST = 1 / 8;

export class EgressPath {
  readonly group: string;
  readonly source: string;
  /** Told to slow down. */
  readonly slowdown = new Backoff();
  /** Connections that we allowed and that are not gone. */
  slots = 0;
  /** Of these, with a dispatch on them. */
  busy = 0;
  #limits: PathLimits;
  #window: number;
  #successes = 0;
  #ramping = false;
  /** What a message takes at the next hop, smoothed; nothing is known before the first, or after a refusal. */
  #taking: Duration | undefined;
  #nextOpenAt: Instant = Number.NEGATIVE_INFINITY;
  #messages: Gcra | undefined;
  #octets: Gcra | undefined;

  constructor(group: string, source: string, limits: PathLimits) {
    this.group = group;
    this.source = source;
    this.#limits = limits;
    this.#window = Math.min(limits.startWindow, limits.connections);
    this.#messages = limits.messageRate && new Gcra(limits.messageRate);
    this.#octets = limits.octetRate && new Gcra(limits.octetRate);
  }

  get name(): string {
    return `${this.group}|${this.source}`;
  }

  get limits(): PathLimits {
    return this.#limits;
  }

  get window(): number {
    return this.#window;
  }

  /** Dispatches that one connection may have. */
  get depth(): number {
    const { depth, ahead } = this.#limits;
    if (this.#taking === undefined || depth >= MAX_DEPTH) return depth;
    return Math.max(depth, Math.min(MAX_DEPTH, 1 + Math.floor(ahead / Math.max(this.#taking, Number.EPSILON))));
  }

  /** No refusal and no slow-down since the last round of successes: dispatches may be queued ahead. */
  get healthy(): boolean {
    return !this.#ramping && this.slowdown.refusals === 0;
  }

  /** New limits. What was learned stays, within them. */
  reconfigure(limits: PathLimits): void {
    const old = this.#limits;
    this.#limits = limits;
    this.#window = Math.max(1, Math.min(this.#window, limits.connections));
    if (!sameRate(old.messageRate, limits.messageRate))
      this.#messages = limits.messageRate && new Gcra(limits.messageRate);
    if (!sameRate(old.octetRate, limits.octetRate)) this.#octets = limits.octetRate && new Gcra(limits.octetRate);
  }

  /** When the next message may be released: slow-down and rates. In the past: now. */
  releaseAt(octets: number): Instant {
    return Math.max(
      this.slowdown.until,
      this.#messages?.nextAt() ?? Number.NEGATIVE_INFINITY,
      this.#octets?.nextAt(octets) ?? Number.NEGATIVE_INFINITY,
    );
  }

  /** Counts a message that goes now. */
  released(now: Instant, octets: number): void {
    this.#messages?.take(now);
    this.#octets?.take(now, octets);
  }

  /** When a new connection may be opened, as far as the ramp goes. */
  get nextOpenAt(): Instant {
    return this.#nextOpenAt;
  }

  opened(now: Instant): void {
    this.slots++;
    if (this.#ramping) this.#nextOpenAt = now + this.#limits.ramp;
  }

  /** `took`: from the first command to the last reply, where that is known. */
  succeeded(startedAt: Instant, took?: Duration): void {
    this.slowdown.succeeded(startedAt);
    if (took !== undefined) this.#taking = (this.#taking ?? took) + (took - (this.#taking ?? took)) * NEWEST;
    if (++this.#successes < this.#window) return;
    this.#successes = 0;
    this.#ramping = false;
    this.#window = Math.min(this.#window * 2, this.#limits.connections);
  }

  /** A connection was refused: a small window again, and new connections one after the other. */
  refused(now: Instant): void {
    this.#window = Math.max(1, Math.min(this.#limits.startWindow, this.#window));
    this.#ramp(now);
  }

  /** Told to slow down, or refused while others are open: half the window. Whether that was news. */
  limited(refusal: Refusal): boolean {
    if (!this.slowdown.refused(refusal, SLOW_DOWN)) return false;
    this.#window = Math.max(1, this.#window >> 1);
    this.#ramp(refusal.now);
    return true;
  }

  /** The wall clock went back: nothing waits for a time that was reached long ago. */
  clockMoved(now: Instant): void {
    this.slowdown.clockMoved(now, SLOW_DOWN.max);
    this.#messages?.bound(now);
    this.#octets?.bound(now);
    this.#nextOpenAt = Math.min(this.#nextOpenAt, now + this.#limits.ramp);
  }

  #ramp(now: Instant): void {
    this.#successes = 0;
    this.#taking = undefined;
    this.#ramping = true;
    this.#nextOpenAt = Math.max(this.#nextOpenAt, now + this.#limits.ramp);
  }
}

function sameRate(a: PathLimits['messageRate'], b: PathLimits['messageRate']): boolean {
  return a?.amount === b?.amount && a?.period === b?.period && a?.burst === b?.burst;
}
