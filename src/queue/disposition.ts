/**
 * What a finished attempt means for the spool: who is over, who waits until when, who must be told.
 *
 * Every recipient of the entry ends in exactly one place: over, or in an entry that is put. Recipients that
 * will be tried at the same time stay together; the first of such groups keeps the entry's id, each other
 * gets a new one.
 */

import { MINUTE, type Duration, type Instant } from '../lib/time.ts';
import { type Entry, type EntryId, type EntryRecipient } from '../mail/entry.ts';
import { type HoldReason } from '../mail/hold-reason.ts';
import { type Notice } from '../mail/notice.ts';
import { type Outcome, type Undelivered } from '../mail/outcome.ts';
import { type EnhancedStatus } from '../mail/reply.ts';
import { classify, namedWait } from './classify.ts';
import { delayNotice, noticeFor } from './notices.ts';
import { nextStep, warnAt, type RetryOptions } from './retry.ts';
import { type WithoutDispatch } from './scheduling.ts';

export interface DispositionContext {
  readonly now: Instant;
  /** When the attempt began. */
  readonly startedAt: Instant;
  readonly retry: RetryOptions;
  /** At least 0 and less than 1. */
  readonly random: () => number;
  /** `moved`: the wall clock jumped against the monotonic one; nothing expires. */
  readonly clock: 'steady' | 'moved';
  /** `softBounce`: failures become deferrals. */
  readonly failures: 'final' | 'softBounce';
  /** `nobody`: a null reverse-path, or a report. */
  readonly tell: 'sender' | 'nobody';
  /** An id of this message that was never used. */
  readonly nextEntryId: () => EntryId;
}

export interface OverRecipient {
  readonly recipient: EntryRecipient;
  readonly kind: 'delivered' | 'failed' | 'expired';
  readonly outcome: Outcome;
}

export interface DeferredRecipients {
  readonly recipients: readonly EntryRecipient[];
  readonly reason: HoldReason;
  readonly nextAt: Instant;
  readonly outcome: Undelivered;
}

export interface Disposition {
  /** The entry itself, unless it is among `put`. */
  readonly remove: readonly EntryId[];
  /** Moved (same id) and split off (new id). */
  readonly put: readonly Entry[];
  readonly over: readonly OverRecipient[];
  /** By reason: one event for each. Several may share an entry. */
  readonly deferred: readonly DeferredRecipients[];
  readonly notices: readonly Notice[];
}

// A connection that ended after a completed transaction says nothing about this entry: it may go at once, but
// not in the same instant, so that a server that hangs up after each message is not dialled in a circle.
const AFTER_LOST_CONNECTION: Duration = 5000;

/** `outcomes` has one for each recipient, in order. */
export function dispose(entry: Entry, outcomes: readonly Outcome[], context: DispositionContext): Disposition {
  if (outcomes.length !== entry.recipients.length)
    throw new Error(`${outcomes.length} outcomes for ${entry.recipients.length} recipients of ${entry.id}`);
  const over: OverRecipient[] = [];
  const waiting = new Waiting(entry, context);
  for (const [i, recipient] of entry.recipients.entries()) {
    const outcome = softened(outcomes[i], context);
    if (outcome.kind === 'delivered' || outcome.kind === 'failed')
      over.push({ recipient, kind: outcome.kind, outcome });
    else if (!waiting.add(recipient, outcome)) over.push({ recipient, kind: 'expired', outcome });
  }
  return finish(entry, { over, groups: waiting.groups() }, context);
}

/** The same for an entry that was not handed to a worker. */
export function disposeWithoutDispatch(
  entry: Entry,
  verdict: WithoutDispatch,
  context: DispositionContext,
): Disposition {
  switch (verdict.kind) {
    case 'failed':
    case 'deferred':
      return dispose(
        entry,
        entry.recipients.map(() => unresolved(verdict)),
        context,
      );
    case 'backedOff':
      return backedOff(entry, verdict, context);
    case 'expired':
      return expired(entry, context);
    case 'held': {
      const held: Entry = { ...entry, lane: 'held', reason: 'held' };
      return { remove: [], put: [held], over: [], deferred: [], notices: [] };
    }
  }
}

type Unresolved = Extract<WithoutDispatch, { answer: unknown }>;
type BackedOff = Extract<WithoutDispatch, { kind: 'backedOff' }>;

function unresolved({ kind, answer }: Unresolved): Undelivered {
  const { status, diagnostic } = answer;
  return { kind, status, scope: 'site', diagnostic, remoteMta: '', cause: 'dns' };
}

/** The failed probe of the site counts for every entry that waits for it; one whose time was up by then is over. */
function backedOff(entry: Entry, verdict: BackedOff, context: DispositionContext): Disposition {
  const outcome: Undelivered = {
    kind: 'deferred',
    status: '4.4.1',
    scope: 'site',
    diagnostic: verdict.diagnostic,
    remoteMta: '',
    cause: 'connection',
  };
  if (verdict.at >= entry.expiresAt && context.clock === 'steady') {
    const over = entry.recipients.map((recipient) => ({ recipient, kind: 'expired' as const, outcome }));
    return finish(entry, { over, groups: [] }, context);
  }
  const group: Group = {
    nextAt: Math.max(verdict.until, context.now + 1),
    attempts: entry.attempts + 1,
    parts: [{ recipients: [...entry.recipients], reason: 'connection', outcome }],
  };
  return finish(entry, { over: [], groups: [group] }, { ...context, startedAt: verdict.at });
}

/** After a jump of the clock nobody knows whether it is. */
function expired(entry: Entry, context: DispositionContext): Disposition {
  if (context.clock === 'moved') {
    const put = [{ ...entry, dueAt: context.now + MINUTE }];
    return { remove: [], put, over: [], deferred: [], notices: [] };
  }
  const outcome: Undelivered = {
    ...{ kind: 'deferred', status: '4.4.7', scope: 'recipient', remoteMta: '', cause: 'policy' },
    diagnostic: entry.lastReply || 'postrider: not delivered by the time that its sender named',
  };
  const over = entry.recipients.map((recipient) => ({ recipient, kind: 'expired' as const, outcome }));
  return finish(entry, { over, groups: [] }, context);
}

interface Part {
  readonly recipients: EntryRecipient[];
  readonly reason: HoldReason;
  readonly outcome: Undelivered;
}

/** Recipients with the same future: what becomes one entry. */
interface Group {
  readonly nextAt: Instant;
  readonly attempts: number;
  readonly parts: Part[];
}

/** Gathers recipients that are to wait. One draw of chance for the whole attempt, so that equal delays stay equal. */
class Waiting {
  readonly #entry: Entry;
  readonly #context: DispositionContext;
  readonly #jitter: number;
  readonly #groups = new Map<string, Group>();

  constructor(entry: Entry, context: DispositionContext) {
    this.#entry = entry;
    this.#context = context;
    this.#jitter = context.random();
  }

  /** False when the time of the recipient is up. */
  add(recipient: EntryRecipient, outcome: Undelivered): boolean {
    const reason = classify(outcome);
    const costs = outcome.scope === 'connection' ? 0 : 1;
    const attempts = this.#entry.attempts + costs;
    const nextAt = this.#nextAt(outcome, { reason, attempts });
    if (nextAt === undefined) return false;
    const group = this.#group(nextAt, attempts);
    const part = group.parts.find(
      (known) => known.reason === reason && known.outcome.diagnostic === outcome.diagnostic,
    );
    if (part === undefined) group.parts.push({ recipients: [recipient], reason, outcome });
    else part.recipients.push(recipient);
    return true;
  }

  groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  #nextAt(outcome: Undelivered, { reason, attempts }: { reason: HoldReason; attempts: number }): Instant | undefined {
    const { now, startedAt, retry, clock } = this.#context;
    const { class: priority, expiresAt } = this.#entry;
    const wait = outcome.cause === 'reply' ? namedWait(outcome.diagnostic) : undefined;
    const step = nextStep(retry, {
      class: priority,
      reason,
      attempts,
      expiresAt,
      startedAt,
      now,
      wait,
      warnAt: warnAt(retry, this.#entry),
      jitter: this.#jitter,
      clock,
    });
    if (step.kind === 'expire') return undefined;
    return outcome.scope === 'connection' ? now + Math.round(AFTER_LOST_CONNECTION * (1 + this.#jitter)) : step.at;
  }

  #group(nextAt: Instant, attempts: number): Group {
    const key = `${nextAt} ${attempts}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { nextAt, attempts, parts: [] };
    this.#groups.set(key, group);
    return group;
  }
}

interface Fates {
  readonly over: readonly OverRecipient[];
  readonly groups: readonly Group[];
}

function finish(entry: Entry, { over, groups }: Fates, context: DispositionContext): Disposition {
  const warn = dueForWarning(entry, context);
  const put = groups.map((group, i) =>
    waitingEntry(entry, { group, id: i === 0 ? entry.id : context.nextEntryId(), warn, context }),
  );
  const parts = groups.flatMap(({ nextAt, parts }) => parts.map((part) => ({ ...part, nextAt })));
  const notices = context.tell === 'nobody' ? [] : noticesOf(entry, { over, parts: warn ? parts : [] }, context);
  return { remove: groups.length === 0 ? [entry.id] : [], put, over, deferred: parts, notices };
}

function dueForWarning(entry: Entry, { retry, now }: DispositionContext): boolean {
  const at = warnAt(retry, entry);
  return at !== undefined && now >= at;
}

interface NewState {
  readonly group: Group;
  readonly id: EntryId;
  readonly warn: boolean;
  readonly context: DispositionContext;
}

function waitingEntry(entry: Entry, { group, id, warn, context }: NewState): Entry {
  const last = group.parts[0];
  return {
    ...entry,
    id,
    lane: 'deferred',
    dueAt: group.nextAt,
    attempts: group.attempts,
    recipients: group.parts.flatMap(({ recipients }) => recipients),
    reason: last?.reason ?? 'transient',
    lastReply: last?.outcome.diagnostic ?? '',
    lastAttemptAt: context.startedAt,
    warned: entry.warned || warn,
    crashes: 0,
  };
}

interface Told {
  readonly over: readonly OverRecipient[];
  readonly parts: readonly Part[];
}

function noticesOf(entry: Entry, { over, parts }: Told, { now }: DispositionContext): readonly Notice[] {
  const notices: (Notice | undefined)[] = over.map((one) => noticeFor(entry, one, now));
  for (const { recipients, outcome } of parts)
    for (const recipient of recipients) notices.push(delayNotice(entry, { recipient, outcome }, now));
  return notices.filter((notice) => notice !== undefined);
}

function softened(outcome: Outcome | undefined, { failures }: DispositionContext): Outcome {
  if (outcome === undefined) throw new Error('an outcome is missing');
  if (outcome.kind !== 'failed' || failures === 'final') return outcome;
  return { ...outcome, kind: 'deferred', status: `4${outcome.status.slice(1)}` as EnhancedStatus };
}
