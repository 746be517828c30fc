/**
 * Attempts from dispatch to settlement: what is in flight, and what its outcome means.
 *
 * Record before you act: the due time of a retry is moved, and the dispatch is counted, in the spool
 * before the entry is handed to a worker. A fresh entry on the fast path was committed as due a minute
 * ahead, so that it needs no record of its own.
 */

import { eventLine } from '../../events/format.ts';
import { type Event } from '../../events/event.ts';
import { MINUTE } from '../../lib/time.ts';
import { type Entry, type EntryId } from '../../mail/entry.ts';
import { type Outcome, type Undelivered } from '../../mail/outcome.ts';
import { formatMailbox, type ReversePath } from '../../mail/path.ts';
import { type QueueId } from '../../mail/queue-id.ts';
import {
  type AttemptReport,
  type Dispatch,
  type DispatchContent,
  senderOf,
  type SlotId,
} from '../../queue/dispatch.ts';
import { type Disposition, dispose, disposeWithoutDispatch, type DispositionContext } from '../../queue/disposition.ts';
import { effectOf } from '../../queue/effect.ts';
import { type Finished, type SchedulerAction, type WithoutDispatch, type WorkerId } from '../../queue/scheduling.ts';
import { type StoredMessage } from '../../spool/spool.ts';
import { type KeptDispatch } from '../messages.ts';
import {
  type AttemptFacts,
  attemptEvent,
  deferredEvent,
  deliveredEvent,
  droppedEvent,
  expiredEvent,
  failedEvent,
  heldEvent,
} from './entry-events.ts';
import { type EntryLocks } from './entry-locks.ts';
import { countAttempt, countDisposition } from './flow-metrics.ts';
import { type QueueManagerContext } from './ports.ts';
import { FAST_PATH_TIME, type RecentMessage, type RecentMessages } from './recent-messages.ts';
import { type HandedContent } from './handed-content.ts';

export type DispatchAction = Extract<SchedulerAction, { kind: 'dispatch' }>;

/** What the attempts tell the scheduler and the workers. */
export interface AttemptSinks {
  readonly send: (worker: WorkerId, dispatch: Dispatch) => void;
  /** To the worker that has kept the message. `last`: it need not keep it longer. */
  readonly sendKept: (worker: WorkerId, dispatch: KeptDispatch, last: boolean) => void;
  readonly forget: (worker: WorkerId, message: QueueId) => void;
  /** False: its worker is gone, and the slot with it. */
  readonly isOpen: (slot: SlotId) => boolean;
  /** Nothing was sent on the slot after all: a connection that it had is not to stay open. */
  readonly closeSlot: (worker: WorkerId, slot: SlotId) => void;
  readonly finished: (finished: Finished) => void;
  readonly settled: (entry: EntryId, next: readonly Entry[]) => void;
  /** Notices were written. */
  readonly noticed: () => void;
  /** An entry of the message is over, and left no notice. */
  readonly over: (message: QueueId) => void;
  readonly locks: EntryLocks;
}

interface InFlight {
  readonly action: DispatchAction;
  /** As the worker was given it; undefined: it had kept it. */
  readonly content: DispatchContent | undefined;
  readonly facts: AttemptFacts;
}

/** What goes along with a dispatch that the worker does not know. */
interface Begun {
  readonly reversePath: ReversePath | undefined;
  readonly content: DispatchContent | undefined;
}

const NOTHING_KNOWN: Begun = { reversePath: undefined, content: undefined };

// An entry committed as due later than this is on the fast path: a crash would find it due within the minute.
const FAST_PATH_AHEAD = MINUTE - FAST_PATH_TIME;
/** Dispatches recorded without an outcome before an entry is held. */
const MAX_CRASHES = 2;

export class Attempts {
  readonly #context: QueueManagerContext;
  readonly #recent: RecentMessages;
  readonly #handed: HandedContent;
  readonly #sinks: AttemptSinks;
  readonly #inFlight = new Map<number, InFlight>();
  #lastId = 0;
  #lastEntryNumber = 0;

  constructor(
    context: QueueManagerContext,
    { recent, handed }: { readonly recent: RecentMessages; readonly handed: HandedContent },
    sinks: AttemptSinks,
  ) {
    this.#context = context;
    this.#recent = recent;
    this.#handed = handed;
    this.#sinks = sinks;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  dispatch(action: DispatchAction): void {
    // An operator is changing it: what comes of that is told to the scheduler by the one who changes.
    if (!this.#sinks.locks.take(action.entry.id)) return this.#giveUp(action);
    const recent = this.#recent.get(action.entry.message);
    const now = this.#context.clock.now();
    if (recent !== undefined && action.entry.dueAt > now + FAST_PATH_AHEAD) return this.#sendRecent(action, recent);
    this.#recent.forget(action.entry.message);
    this.#recordAndSend(action).catch(this.#context.broken);
    return undefined;
  }

  /** A worker reports. Reports of dispatches that are no longer known (the worker was given up) are dropped. */
  reported(report: AttemptReport): void {
    const inFlight = this.#inFlight.get(report.id);
    if (inFlight === undefined) return;
    this.#inFlight.delete(report.id);
    const { action, facts, content } = inFlight;
    this.#handed.back(action.worker, content);
    this.#sinks.finished({
      slot: action.slot,
      entry: action.entry.id,
      connection: report.connection,
      transmitTime: report.transmitTime,
      ...effectOf(report),
    });
    this.#conclude({ ...facts, report }, report.outcomes);
  }

  /** The worker died: what it had in flight is deferred, and held when this is the second time. */
  workerLost(worker: WorkerId): void {
    for (const [id, { action, facts, content }] of this.#inFlight) {
      if (action.worker !== worker) continue;
      this.#inFlight.delete(id);
      this.#handed.back(worker, content);
      const crashes = Math.max(1, facts.entry.crashes);
      this.#release(action.slot, action.entry, 'lost');
      this.#afterCrash({ ...facts.entry, crashes });
    }
  }

  /** What is still out at a stop in good order: that they were in flight then is no crash of theirs. */
  uncounted(): readonly Entry[] {
    return [...this.#inFlight.values()].flatMap(({ facts: { entry } }) =>
      entry.crashes > 0 ? [{ ...entry, crashes: entry.crashes - 1 }] : [],
    );
  }

  withoutDispatch(entry: Entry, verdict: WithoutDispatch): void {
    if (!this.#sinks.locks.take(entry.id)) return;
    const now = this.#context.clock.now();
    const disposition = disposeWithoutDispatch(entry, verdict, this.#dispositionContext(entry, now));
    const facts = factsOf(entry, { route: entry.route, site: '', startedAt: now, dropped: false });
    countDisposition(disposition, { entry, dropped: false, now });
    const events = eventsOf(facts, disposition, now);
    if (verdict.kind === 'held') {
      const why = { rule: verdict.rule.id, reason: verdict.rule.reason };
      events.push(heldEvent(entry, why, now));
    }
    this.#settle(entry, disposition, events);
  }

  /** On the fast path: from the memory of the worker that took it, from ours, or read from the spool. */
  #sendRecent(action: DispatchAction, { message, octets, worker }: RecentMessage): void {
    const left = this.#recent.dispatched(message.id);
    if (octets !== undefined) return this.#send(action, message, { kind: 'octets', octets });
    if (worker === action.worker) return this.#sinks.sendKept(worker, this.#begin(action), left === 'last');
    if (left === 'last' && worker !== undefined) this.#sinks.forget(worker, message.id);
    this.#readAndSend(action, message).catch(this.#context.broken);
    return undefined;
  }

  async #readAndSend(action: DispatchAction, message: Omit<StoredMessage, 'content'>): Promise<void> {
    const content = await this.#context.spool.content(message.id);
    if (!this.#sinks.isOpen(action.slot)) return this.#unsent(action.entry);
    if (content !== undefined) return this.#send(action, message, content);
    this.#context.log.error('an entry has no content, and is held', { entry: action.entry.id });
    this.#giveUp(action);
    return this.#hold(action.entry);
  }

  async #recordAndSend(action: DispatchAction): Promise<void> {
    const { spool, settler, clock, settings, log } = this.#context;
    const { entry } = action;
    const current = await spool.entry(entry.id);
    // The page that the scheduler read it from may be older than its last settlement.
    if (current === undefined || current.dueAt !== entry.dueAt || current.lane !== entry.lane)
      return this.#outdated(action, current);
    if (entry.crashes >= MAX_CRASHES) {
      this.#giveUp(action);
      return this.#hold(entry);
    }
    const recorded: Entry = {
      ...entry,
      dueAt: clock.now() + settings().recordAhead,
      crashes: entry.crashes + 1,
    };
    await settler.settle({ put: [recorded] });
    const message = await spool.message(entry.message);
    const content = message === undefined ? undefined : await this.#contentOf(message, action.worker);
    if (!this.#sinks.isOpen(action.slot)) return this.#unsent(entry);
    if (message === undefined || content === undefined) {
      log.error('an entry has no message, and is held', { entry: entry.id });
      this.#giveUp(action);
      return this.#hold(recorded);
    }
    this.#send({ ...action, entry: recorded }, message, content);
    return undefined;
  }

  /** What is to be read in blocks is not read here: of a thousand messages at once it would all be in memory. */
  async #contentOf({ id, content }: StoredMessage, worker: WorkerId): Promise<DispatchContent | undefined> {
    const { octets, file } = content;
    if (file === undefined && !this.#handed.hasRoom(worker, octets)) return { kind: 'blocks', octets };
    return this.#context.spool.content(id);
  }

  #outdated(action: DispatchAction, current: Entry | undefined): void {
    const { entry } = action;
    this.#sinks.locks.give(entry.id);
    this.#giveUp(action);
    this.#sinks.settled(entry.id, current === undefined ? [] : [current]);
  }

  /** Its worker died while the entry was recorded or read: none has heard of it, so that it is due again, uncounted. */
  #unsent(entry: Entry): void {
    this.#context.spool.release(entry.message);
    const put = [{ ...entry, dueAt: this.#context.clock.now() }];
    this.#settle(entry, { remove: [], put, over: [], deferred: [], notices: [] }, []);
  }

  #send(action: DispatchAction, message: Omit<StoredMessage, 'content'>, whole: DispatchContent): void {
    const { reversePath } = message.envelope;
    const content = this.#handed.hand(action.worker, whole);
    this.#sinks.send(action.worker, {
      ...this.#begin(action, { reversePath, content }),
      sender: senderOf(message),
      recipients: action.entry.recipients,
      ...{ content, sevenBit: !message.eightBit },
      acceptedAt: message.acceptedAt,
    });
  }

  /** From now on it is in flight. An entry of an earlier release does not know its sender. */
  #begin(action: DispatchAction, { reversePath, content }: Begun = NOTHING_KNOWN): KeptDispatch {
    const { entry, slot, path, site, route, hosts, sts, secure } = action;
    const id = (this.#lastId += 1);
    const startedAt = this.#context.clock.now();
    const sender = entry.sender ?? (reversePath ? formatMailbox(reversePath) : '');
    const start = { route: route.name, site, startedAt, dropped: route.kind === 'discard' };
    const facts = factsOf(entry.sender === undefined ? { ...entry, sender } : entry, start);
    this.#inFlight.set(id, { action, facts, content });
    this.#context.tell(attemptEvent(facts));
    countAttempt();
    const { message, attempts } = entry;
    const to = { slot, path, site, route, hosts, sts, secure: secure === true };
    return { id, ...to, message, entry: entry.id, attempt: attempts + 1 };
  }

  #conclude(facts: AttemptFacts, outcomes: readonly Outcome[]): void {
    const { entry, startedAt } = facts;
    const now = this.#context.clock.now();
    this.#context.spool.release(entry.message);
    const disposition = dispose(entry, outcomes, this.#dispositionContext(entry, startedAt));
    countDisposition(disposition, { entry, dropped: facts.dropped, now });
    this.#settle(entry, disposition, eventsOf(facts, disposition, now));
  }

  #settle(entry: Entry, { remove, put, notices }: Disposition, events: readonly Event[]): void {
    const part = { remove, put, notices, events: events.map(eventLine) };
    this.#context.settler.settle(part).then(() => {
      this.#sinks.locks.give(entry.id);
      this.#sinks.settled(entry.id, put);
      if (notices.length > 0) this.#sinks.noticed();
      else if (put.length === 0) this.#sinks.over(entry.message);
    }, this.#context.broken);
  }

  #dispositionContext(entry: Entry, startedAt: number): DispositionContext {
    const { clock, clockState, random, settings } = this.#context;
    const { retry, softBounce } = settings();
    return {
      now: clock.now(),
      startedAt,
      retry,
      random: () => random.next(),
      clock: clockState(),
      failures: softBounce ? 'softBounce' : 'final',
      // Who is told, and that nobody is told of a report, is decided when the DSN is composed.
      tell: 'sender',
      nextEntryId: () => `${entry.message}/${this.#nextEntryNumber()}`,
    };
  }

  /** Never used before for any message: later than any count at accept, and than any of an earlier run. */
  #nextEntryNumber(): number {
    this.#lastEntryNumber = Math.max(this.#lastEntryNumber + 1, this.#context.clock.now());
    return this.#lastEntryNumber;
  }

  /** Before it was sent. */
  #giveUp({ slot, worker, entry }: DispatchAction): void {
    this.#sinks.closeSlot(worker, slot);
    this.#release(slot, entry, 'closed');
  }

  #release(slot: SlotId, entry: Entry, connection: Finished['connection']): void {
    this.#sinks.finished({
      ...{ slot, entry: entry.id, connection },
      ...{ effect: 'neutral', diagnostic: '', wait: undefined },
    });
  }

  #afterCrash(entry: Entry): void {
    if (entry.crashes >= MAX_CRASHES) return this.#hold(entry);
    const outcome: Undelivered = {
      kind: 'deferred',
      status: '4.3.0',
      scope: 'message',
      diagnostic: 'postrider: the delivery was interrupted on this machine',
      remoteMta: '',
      cause: 'local',
    };
    const now = this.#context.clock.now();
    const disposition = dispose(
      entry,
      entry.recipients.map(() => outcome),
      this.#dispositionContext(entry, now),
    );
    // The count stays: the same entry in flight at the next death is held.
    const put = disposition.put.map((next) => ({ ...next, crashes: entry.crashes }));
    const facts = factsOf(entry, { route: entry.route, site: '', startedAt: now, dropped: false });
    countDisposition(disposition, { entry, dropped: false, now });
    return this.#settle(entry, { ...disposition, put }, eventsOf(facts, disposition, now));
  }

  #hold(entry: Entry): void {
    const held: Entry = { ...entry, lane: 'held', reason: 'crashLoop' };
    const reason = 'in flight when this program stopped twice; release it to try again';
    const event = heldEvent(entry, { rule: 'crash-loop guard', reason }, this.#context.clock.now());
    this.#settle(entry, { remove: [], put: [held], over: [], deferred: [], notices: [] }, [event]);
  }
}

interface AttemptStart {
  readonly route: string;
  readonly site: string;
  readonly startedAt: number;
  /** The route throws mail away on purpose. */
  readonly dropped: boolean;
}

function factsOf(entry: Entry, start: AttemptStart): AttemptFacts {
  return { entry, source: 'default', report: undefined, ...start };
}

function eventsOf(facts: AttemptFacts, { over, deferred }: Disposition, at: number): Event[] {
  const events: Event[] = [];
  for (const [outcome, group] of Map.groupBy(over, ({ outcome }) => `${outcome.kind} ${outcome.diagnostic}`)) {
    const [first] = group;
    if (first === undefined) throw new Error(`an empty group ${outcome}`);
    events.push(overEvent(facts, { ...first, recipients: group.map(({ recipient }) => recipient) }, at));
  }
  for (const postponed of deferred) events.push(deferredEvent(facts, postponed, at));
  return events;
}

interface Over {
  readonly kind: 'delivered' | 'failed' | 'expired';
  readonly outcome: Outcome;
  readonly recipients: Entry['recipients'];
}

function overEvent(facts: AttemptFacts, over: Over, at: number): Event {
  switch (over.kind) {
    case 'delivered':
      return facts.dropped ? droppedEvent(facts, over.recipients, at) : deliveredEvent(facts, over, at);
    case 'failed':
      return failedEvent(facts, over, at);
    case 'expired':
      return expiredEvent(facts, over, at);
  }
}
