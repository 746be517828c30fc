/**
 * Commits what workers hand over: all messages of a turn of the event loop in one commit, then the answers.
 *
 * Entries that the scheduler can take in memory are committed as due a minute ahead and handed to it at
 * once; the others are committed as due now and wait on disk.
 */

import { MINUTE } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import { type Submitted } from '../../receive/ports.ts';
import { type WorkerId } from '../../queue/scheduling.ts';
import { type NewMessage, SpoolError } from '../../spool/spool.ts';
import { countAccepted, countCommit, countNotTaken } from './flow-metrics.ts';
import { type QueueManagerContext } from './ports.ts';
import { type RecentMessages } from './recent-messages.ts';
import { EPOCH } from './settler.ts';

export interface IntakeSinks {
  /** Whether the scheduler takes the entries in memory. */
  readonly admit: (entries: readonly Entry[]) => boolean;
  readonly accepted: (entries: readonly Entry[], admitted: boolean) => void;
  readonly forget: (entries: readonly Entry[]) => void;
  readonly committed: () => void;
}

interface Arrival {
  readonly message: NewMessage;
  readonly admitted: boolean;
  /** The worker that has the content in memory and could keep it. */
  readonly keeper: WorkerId | undefined;
  readonly answer: (result: Submitted, kept: boolean) => void;
}

/** A crash finds the entry due again within the minute, so nobody is hammered. */
const FAST_PATH_AHEAD = MINUTE;

export class Intake {
  readonly #context: QueueManagerContext;
  readonly #recent: RecentMessages;
  readonly #sinks: IntakeSinks;
  #gathered: Arrival[] = [];
  #open = 0;

  constructor(context: QueueManagerContext, recent: RecentMessages, sinks: IntakeSinks) {
    this.#context = context;
    this.#recent = recent;
    this.#sinks = sinks;
  }

  /** Messages that have not been answered yet. */
  get open(): number {
    return this.#open;
  }

  /** `keeper`: the worker that would keep the content for the first attempt; undefined when it does not. */
  take(message: NewMessage, keeper: WorkerId | undefined, answer: Arrival['answer']): void {
    if (this.#gathered.length === 0) setImmediate(() => void this.#commit(this.#gathered.splice(0)));
    this.#open += 1;
    this.#gathered.push(this.#arrival(message, keeper, answer));
  }

  #arrival(message: NewMessage, keeper: WorkerId | undefined, answer: Arrival['answer']): Arrival {
    const now = this.#context.clock.now();
    const ahead = dueAt(message.entries, now + FAST_PATH_AHEAD);
    const scheduled = ahead.some(({ reason }) => reason === 'scheduled');
    const admitted = !scheduled && ahead.length > 0 && this.#sinks.admit(ahead);
    const entries = admitted ? ahead : dueAt(message.entries, now);
    return { message: { ...message, entries }, admitted, keeper, answer };
  }

  async #commit(arrivals: readonly Arrival[]): Promise<void> {
    const result = await this.#accept(arrivals);
    this.#open -= arrivals.length;
    for (const { message, admitted, keeper, answer } of arrivals) {
      const fast = admitted && result.kind === 'accepted';
      const kept = fast && this.#recent.keep(message, keeper, this.#context.clock.now());
      answer(result, kept && keeper !== undefined);
      if (result.kind === 'accepted') {
        countAccepted(message.entries);
        this.#sinks.accepted(message.entries, admitted);
      } else {
        countNotTaken(result);
        if (admitted) this.#sinks.forget(message.entries);
      }
    }
    this.#sinks.committed();
  }

  async #accept(arrivals: readonly Arrival[]): Promise<Submitted> {
    try {
      countCommit('accept');
      const messages = arrivals.map(({ message }) => message);
      const { kind } = await this.#context.spool.accept(messages, EPOCH);
      return kind === 'committed' ? { kind: 'accepted' } : { kind: 'unavailable', reason: 'another node took over' };
    } catch (error) {
      if (error instanceof SpoolError && error.kind === 'full') return { kind: 'full' };
      this.#context.broken(error);
      return { kind: 'unavailable', reason: 'the spool failed' };
    }
  }
}

function dueAt(entries: readonly Entry[], at: number): readonly Entry[] {
  return entries.map((entry) => ({ ...entry, dueAt: Math.max(at, entry.releaseAt ?? 0) }));
}
