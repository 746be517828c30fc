/**
 * What operators do to waiting mail: retry, hold, release, remove, and rules.
 *
 * Works on the spool a page at a time. With the server down the same code runs on the stopped spool. An
 * entry that is with a worker now is left alone and counted as `inFlight`.
 */

import { type Changed, type QueueFilter } from '../../api/contract.ts';
import { eventLine } from '../../events/format.ts';
import { type Event } from '../../events/event.ts';
import { type Duration, type Instant } from '../../lib/time.ts';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Notice } from '../../mail/notice.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import { type Rule, type RuleTarget } from '../../mail/rule.ts';
import { type EntryLocks } from './entry-locks.ts';
import { heldEvent, releasedEvent, removedEvent } from './entry-events.ts';
import { type QueueManagerContext } from './ports.ts';
import { entryTest, onlyMessage } from './queue-filter.ts';

export interface ChangeSinks {
  readonly locks: EntryLocks;
  readonly settled: (entry: EntryId, next: readonly Entry[]) => void;
  readonly rules: (rules: readonly Rule[]) => void;
  readonly inFlightUnder: (epoch: number) => number;
  readonly noticed: () => void;
}

export interface NewRule {
  readonly kind: Rule['kind'];
  readonly target: RuleTarget;
  readonly route?: string;
  readonly reason: string;
  readonly setBy: string;
  readonly until?: number;
}

export interface EntryPage {
  readonly rows: readonly Entry[];
  readonly next: EntryId | undefined;
}

/** The part of the queue manager's context that is there without a running server too. */
export type ChangeContext = Pick<QueueManagerContext, 'spool' | 'settler' | 'clock'>;

const PAGE = 500;
/** Entries read for one answer at most, however few of them match. */
const MAX_SCANNED = 20_000;

interface Change {
  /** The entry as it is from now on; undefined: it is over. */
  readonly next: Entry | undefined;
  readonly event: Event | undefined;
  readonly notices: readonly Notice[];
}

interface Planned {
  readonly entry: Entry;
  readonly change: Change;
}

type ChangeOf = (entry: Entry) => Change | undefined;

export class QueueChanges {
  readonly #context: ChangeContext;
  readonly #sinks: ChangeSinks;
  #rules: readonly Rule[] = [];
  /** Of the newest rule: two that are added side by side are two epochs. */
  #epoch = 0;

  constructor(context: ChangeContext, sinks: ChangeSinks) {
    this.#context = context;
    this.#sinks = sinks;
  }

  /** Those in force. */
  get rules(): readonly Rule[] {
    const now = this.#context.clock.now();
    return this.#rules.filter((rule) => !hasEnded(rule, now));
  }

  /** Reads the rules that an earlier run left. */
  async load(): Promise<void> {
    const rules = await this.#context.spool.rules();
    this.#epoch = rules.reduce((highest, { epoch }) => Math.max(highest, epoch), 0);
    this.#setRules(rules);
  }

  /** A page of matching entries. A page may be short, even empty, and still have a `next`. */
  async list(filter: QueueFilter, after: EntryId | undefined, limit: number): Promise<EntryPage> {
    const matches = entryTest(filter);
    const only = onlyMessage(filter);
    if (only !== undefined) return { rows: (await this.#entriesOf(only)).filter(matches), next: undefined };
    const rows: Entry[] = [];
    let scanned = 0;
    let position = after;
    for (;;) {
      const page = await this.#context.spool.entries(position, Math.min(PAGE, limit));
      for (const entry of page.rows) {
        position = entry.id;
        if (matches(entry)) rows.push(entry);
        if (rows.length === limit) return { rows, next: position };
      }
      scanned += page.rows.length;
      if (page.next === undefined) return { rows, next: undefined };
      if (scanned >= MAX_SCANNED) return { rows, next: position };
    }
  }

  /** Due now, whatever the schedule said. */
  retry(filter: QueueFilter): Promise<Changed> {
    const now = this.#context.clock.now();
    return this.#change(filter, (entry) =>
      entry.lane === 'held' || entry.dueAt <= now ? undefined : { ...entry, dueAt: now },
    );
  }

  /**
   * The clock was set back: what was to be later by it is to be so much earlier, so that nothing waits longer for that.
   * What is in flight gets its next time by the new clock.
   */
  clockSetBack(by: Duration): Promise<Changed> {
    const now = this.#context.clock.now();
    return this.#change({}, (entry) => setBack(entry, by, now));
  }

  hold(filter: QueueFilter, why: { by: string; reason: string }): Promise<Changed> {
    const now = this.#context.clock.now();
    return this.#change(
      filter,
      (entry) => (entry.lane === 'held' ? undefined : { ...entry, lane: 'held', reason: 'held' }),
      (entry) => heldEvent(entry, { rule: `by ${why.by}`, reason: why.reason }, now),
    );
  }

  release(filter: QueueFilter, by: string): Promise<Changed> {
    const now = this.#context.clock.now();
    return this.#change(
      filter,
      (entry) =>
        entry.lane === 'held'
          ? { ...entry, lane: entry.attempts === 0 ? 'fresh' : 'deferred', reason: 'new', dueAt: now, crashes: 0 }
          : undefined,
      (entry) => releasedEvent(entry, by, now),
    );
  }

  /** `tell`: the senders get a DSN, as if the recipients had failed. */
  async remove(filter: QueueFilter, how: { by: string; tell: boolean }): Promise<Changed> {
    const now = this.#context.clock.now();
    const changed = await this.#each(filter, (entry) => ({
      next: undefined,
      event: removedEvent(entry, { by: how.by, told: how.tell }, now),
      notices: how.tell ? removalNotices(entry, now) : [],
    }));
    // Also where nobody is told: what was removed may have been the last that a report waited for.
    this.#sinks.noticed();
    return changed;
  }

  async addRule(rule: NewRule): Promise<{ readonly rule: Rule; readonly inFlight: number }> {
    const epoch = (this.#epoch += 1);
    const now = this.#context.clock.now();
    const { kind, target, reason, setBy } = rule;
    const added: Rule = {
      ...{ id: `${kind}-${now.toString(36)}${epoch.toString(36)}`, epoch, kind, target, reason, setBy },
      ...{ route: rule.route, setAt: now, until: rule.until },
    };
    // Those that ended by themselves are cleared away with the next that comes, so that they cannot pile up.
    const remove = this.#rules.filter((known) => hasEnded(known, now)).map(({ id }) => id);
    await this.#context.settler.settle({ rules: { put: [added], remove }, events: [eventLine(ruleEvent(added))] });
    this.#setRules([...this.#rules.filter(({ id }) => !remove.includes(id)), added]);
    return { rule: added, inFlight: this.#sinks.inFlightUnder(epoch) };
  }

  /** Ends rules by id, or all of a kind with exactly this target. Returns those that ended. */
  async removeRules(which: (rule: Rule) => boolean, by: string): Promise<readonly Rule[]> {
    const ended = this.#rules.filter(which);
    if (ended.length === 0) return [];
    const at = this.#context.clock.now();
    const events = ended
      .filter(({ kind }) => kind === 'suspend')
      .map((rule) => eventLine({ kind: 'resumed', at, rule: rule.id, target: targetText(rule.target), by }));
    await this.#context.settler.settle({ rules: { put: [], remove: ended.map(({ id }) => id) }, events });
    this.#setRules(this.#rules.filter((rule) => !ended.includes(rule)));
    return ended;
  }

  #setRules(rules: readonly Rule[]): void {
    this.#rules = rules;
    this.#sinks.rules(rules);
  }

  #change(
    filter: QueueFilter,
    next: (entry: Entry) => Entry | undefined,
    event?: (entry: Entry) => Event,
  ): Promise<Changed> {
    return this.#each(filter, (entry) => {
      const changed = next(entry);
      return changed === undefined ? undefined : { next: changed, event: event?.(entry), notices: [] };
    });
  }

  /** Applies a change to every matching entry, a page and a commit at a time. */
  async #each(filter: QueueFilter, change: ChangeOf): Promise<Changed> {
    let changed = 0;
    let inFlight = 0;
    let after: EntryId | undefined;
    do {
      const page = await this.list(filter, after, PAGE);
      const free = page.rows.filter(({ id }) => this.#sinks.locks.take(id));
      inFlight += page.rows.length - free.length;
      changed += await this.#changeLocked(free, change);
      after = page.next;
    } while (after !== undefined);
    return { entries: changed, inFlight };
  }

  /** Every lock is given back exactly once: what is unlocked may be with a worker, under a lock of its own, the next moment. */
  async #changeLocked(listed: readonly Entry[], changeOf: ChangeOf): Promise<number> {
    const locked = new Map(listed.map((entry) => [entry.id, entry]));
    try {
      const changes = await this.#plan(listed, changeOf);
      if (changes.length > 0) await this.#commit(changes);
      for (const { entry, change } of changes) {
        locked.delete(entry.id);
        // Unlocked first: what the scheduler is told here it may dispatch at once.
        this.#sinks.locks.give(entry.id);
        this.#sinks.settled(entry.id, change.next === undefined ? [] : [change.next]);
      }
      return changes.length;
    } finally {
      this.#unlock([...locked.values()]);
    }
  }

  /** Between the listing and the lock an entry may have been settled: only what is still there counts. */
  async #plan(listed: readonly Entry[], changeOf: ChangeOf): Promise<readonly Planned[]> {
    const current = await Promise.all(listed.map(({ id }) => this.#context.spool.entry(id)));
    return current.flatMap((entry) => {
      const change = entry === undefined ? undefined : changeOf(entry);
      return entry === undefined || change === undefined ? [] : [{ entry, change }];
    });
  }

  #commit(changes: readonly Planned[]): Promise<void> {
    return this.#context.settler.settle({
      remove: changes.flatMap(({ entry, change }) => (change.next === undefined ? [entry.id] : [])),
      put: changes.flatMap(({ change }) => (change.next === undefined ? [] : [change.next])),
      notices: changes.flatMap(({ change }) => change.notices),
      events: changes.flatMap(({ change }) => (change.event === undefined ? [] : [eventLine(change.event)])),
    });
  }

  /** What was left unchanged, or could not be changed. The scheduler waits for a word on what it wanted meanwhile. */
  #unlock(entries: readonly Entry[]): void {
    for (const entry of entries) if (this.#sinks.locks.give(entry.id)) this.#sinks.settled(entry.id, [entry]);
  }

  #entriesOf(message: string): Promise<readonly Entry[]> {
    return this.#context.spool.entriesOf(message as QueueId);
  }
}

function setBack(entry: Entry, by: Duration, now: Instant): Entry | undefined {
  if (entry.dueAt <= now && entry.acceptedAt <= now) return undefined;
  const { acceptedAt, expiresAt, lastAttemptAt } = entry;
  // Accepted in a future that never came: its age counts from now on.
  const lead = Math.max(0, acceptedAt - now);
  return {
    ...entry,
    ...dueAfter(entry, { by, lead, now }),
    ...{ acceptedAt: acceptedAt - lead, expiresAt: expiresAt - lead },
    lastAttemptAt: lastAttemptAt === undefined ? undefined : Math.min(lastAttemptAt, now),
  };
}

interface SetBack {
  readonly by: Duration;
  /** So far ahead was the clock when the entry came. */
  readonly lead: Duration;
  readonly now: Instant;
}

/** What its sender named is a time of the day, which the clock is right about now. */
function dueAfter({ dueAt, releaseAt }: Entry, { by, lead, now }: SetBack): Pick<Entry, 'dueAt' | 'releaseAt'> {
  if (releaseAt === undefined || dueAt !== releaseAt) return { dueAt: dueAt > now ? Math.max(now, dueAt - by) : dueAt };
  return { dueAt: Math.max(now, dueAt - lead), releaseAt: releaseAt - lead };
}

function hasEnded({ until }: Rule, now: number): boolean {
  return until !== undefined && until <= now;
}

function removalNotices(entry: Entry, at: number): readonly Notice[] {
  return entry.recipients.map((recipient) => ({
    message: entry.message,
    recipientIndex: recipient.index,
    recipient,
    action: 'failed',
    status: '5.7.0',
    diagnostic: 'postrider: removed from the queue by the administrator of this system',
    remoteMta: '',
    at,
    willRetryUntil: undefined,
  }));
}

function ruleEvent(rule: Rule): Event {
  const { id, kind, target, setAt: at, setBy: by, reason, until } = rule;
  if (kind === 'reroute')
    return { kind: 'rerouted', at, rule: id, target: targetText(target), route: rule.route ?? '', by };
  return { kind: 'suspended', at, rule: id, target: targetText(target), reason, by, until };
}

export function targetText(target: RuleTarget): string {
  const parts = Object.entries(target).map(([name, value]) => `${name}=${String(value)}`);
  return parts.length === 0 ? 'everything' : parts.join(' ');
}
