/**
 * The agenda: which queues of a partition have something due, and when.
 *
 * The rule: in every committed state a queue with an entry in lane `fresh` or `deferred` has a row that is not
 * later than its earliest due time. Removals never touch the agenda, so rows become too early, and a queue may
 * have several; `mend` brings them to the truth when a reader has met them. That keeps the fast path of a busy
 * queue free of agenda writes.
 */

import { type Instant } from '../../lib/time.ts';
import { type Entry } from '../../mail/entry.ts';
import {
  agendaPrefix,
  agendaSuffix,
  parseAgendaKey,
  parseDueRow,
  partitionDigitsOf,
  queuePrefix,
  under,
} from './keys.ts';
import { Recent } from './recent.ts';
import { type Store, type Writes } from './store.ts';

// Some 200 octets each, and up to twice as many.
const REMEMBERED_QUEUES = 4096;

export class Agenda {
  readonly #store: Store;
  /** By `<partition>/<queue>`: a time at or before which the queue has a row. */
  readonly #rowBy = new Recent<string, Instant>(REMEMBERED_QUEUES);

  constructor(store: Store) {
    this.#store = store;
  }

  /** Writes a row for the entry unless the queue has an earlier one. */
  cover({ queue, routingDomain, lane, dueAt }: Entry, writes: Writes): void {
    if (lane === 'held') return;
    const partition = partitionDigitsOf(routingDomain);
    const name = `${partition}/${queue}`;
    // By the rule, a queue that has entries has a row no later than the earliest.
    const known = this.#rowBy.get(name) ?? earliestDue(this.#store, partition, queue);
    if (known !== undefined && known <= dueAt) return this.#rowBy.set(name, known);
    writes.mark(agendaPrefix(partition) + agendaSuffix(dueAt, queue));
    this.#rowBy.set(name, Math.floor(dueAt));
  }

  /** Brings a row to the truth of the committed state, to be called before anything else of a commit is planned. */
  mend(row: string, writes: Writes): void {
    const { partition, dueAt, queue } = parseAgendaKey(row);
    const truth = earliestDue(this.#store, partition, queue);
    if (truth === dueAt || !this.#store.has(row)) return;
    writes.remove(row);
    if (truth === undefined) return this.#rowBy.delete(`${partition}/${queue}`);
    writes.mark(agendaPrefix(partition) + agendaSuffix(truth, queue));
    this.#rowBy.set(`${partition}/${queue}`, truth);
  }

  /** After a commit that failed. */
  forget(): void {
    this.#rowBy.clear();
  }
}

/** What a row is worth: `true`, a stand-in for a later truth, or one too many. */
export function judgeRow(store: Store, row: string): 'true' | 'early' | 'surplus' {
  const { partition, dueAt, queue } = parseAgendaKey(row);
  const truth = earliestDue(store, partition, queue);
  if (truth === dueAt) return 'true';
  if (truth === undefined || dueAt > truth) return 'surplus';
  return store.has(agendaPrefix(partition) + agendaSuffix(truth, queue)) ? 'surplus' : 'early';
}

/** The earliest due time of a queue outside lane `held`. One seek for each class and lane that is not empty. */
export function earliestDue(store: Store, partition: string, queue: string): Instant | undefined {
  const prefix = queuePrefix(partition, queue);
  const { end } = under(prefix);
  let earliest: Instant | undefined;
  let start = prefix;
  for (;;) {
    const key = store.first({ start, end });
    if (key === undefined) return earliest;
    const { lane, dueAt } = parseDueRow(key, prefix);
    if (!lane.endsWith('/held') && (earliest === undefined || dueAt < earliest)) earliest = dueAt;
    start = under(`${prefix}${lane}/`).end;
  }
}
