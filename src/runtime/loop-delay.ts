/**
 * How late the event loop of a thread is: what everybody waits who has a connection on it.
 *
 * A timer of the runtime fires every few milliseconds and notes by how much it was late; the figures are those since
 * they were last shown. A thread that is blocked shows it afterwards.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gauge } from '../observe/metrics.ts';

const THREADS = ['main', 'queueManager', 'worker', 'archivist'] as const;

const delays = gauge(
  'postrider_event_loop_delay_seconds',
  'How late the event loop of a thread was since the metrics were last collected; quantile 1 is the latest it was. Of several workers the latest one counts.',
  { thread: THREADS, quantile: ['0.5', '0.99', '1'] },
  'max',
);

/** Fifty wakes a second cost a thread about a thousandth of a core. */
const RESOLUTION_MS = 20;
const NS_IN_SECOND = 1e9;

export class LoopDelay {
  readonly #thread: (typeof THREADS)[number];
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;

  /** From now on, in the thread that makes it. */
  constructor(thread: (typeof THREADS)[number]) {
    this.#thread = thread;
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** Puts the figures where a snapshot finds them, and begins anew. */
  show(): void {
    const { max } = this.#histogram;
    this.#set('0.5', this.#histogram.percentile(50));
    this.#set('0.99', this.#histogram.percentile(99));
    this.#set('1', max);
    this.#histogram.reset();
  }

  /** What was noted is the time between two wakes. */
  #set(quantile: '0.5' | '0.99' | '1', betweenNs: number): void {
    const late = Math.max(0, betweenNs / NS_IN_SECOND - RESOLUTION_MS / 1000);
    delays.set(late, { thread: this.#thread, quantile });
  }
}
