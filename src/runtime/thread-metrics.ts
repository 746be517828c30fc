/**
 * The metrics of all threads as one text.
 *
 * Each thread counts by itself. What a thread had counted when it was last asked is kept, so that the sums do not
 * fall when it dies; what it counted after that is lost with it.
 */

import { mergedText, type MetricsSnapshot, retire } from '../observe/metrics.ts';

export interface CountingThread {
  ask(method: 'metrics'): Promise<unknown>;
}

export class ThreadMetrics {
  /** Of the threads that were there when last asked. */
  readonly #last = new Map<CountingThread, MetricsSnapshot>();
  #retired: MetricsSnapshot = [];
  #running: Promise<unknown> = Promise.resolve();

  /** `own`: of the thread that this is called in. */
  text(threads: readonly CountingThread[], own: MetricsSnapshot): Promise<string> {
    const text = this.#running.then(() => this.#collect(threads, own));
    // One after the other: a dead thread must be counted once. Whoever asked hears what went wrong.
    this.#running = text.catch(() => undefined);
    return text;
  }

  async #collect(threads: readonly CountingThread[], own: MetricsSnapshot): Promise<string> {
    const answers = await Promise.allSettled(threads.map((thread) => thread.ask('metrics')));
    for (const [i, answer] of answers.entries()) {
      const thread = threads[i];
      if (thread !== undefined && answer.status === 'fulfilled')
        this.#last.set(thread, answer.value as MetricsSnapshot);
    }
    for (const [thread, snapshot] of this.#last) {
      if (threads.includes(thread)) continue;
      this.#last.delete(thread);
      this.#retired = await retire(this.#retired, snapshot);
    }
    return mergedText([own, this.#retired, ...this.#last.values()]);
  }
}
