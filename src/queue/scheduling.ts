/**
 * What goes into the scheduler and what comes out: the contract between the machine in
 * `scheduler.ts` and the driver in `runtime/queue-manager/queue-manager.ts`.
 *
 * The scheduler holds a bounded window of what waits, decides what is tried when, on which egress path,
 * over how many connections, and never performs anything: every call returns the actions to perform, in
 * order. Waking is a return value: `nextWake()` says when `wake` wants to be called, at the latest.
 */

import { type Duration, type Instant } from '../lib/time.ts';
import { type Entry, type EntryId, type Lane } from '../mail/entry.ts';
import { type Partition } from '../mail/partition.ts';
import { type PriorityClass } from '../mail/priority-class.ts';
import { type QueueName } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { type Rule } from '../mail/rule.ts';
import { type StsPolicy } from '../mail/sts-policy.ts';
import { type Host, type SlotId } from './dispatch.ts';
import { type SiteAnswer } from './site.ts';

/** A worker thread, by its slot number. */
export type WorkerId = number;

/** A queue with its class and lane. The same shape as the spool's. */
export interface LaneRef {
  readonly partition: Partition;
  readonly queue: QueueName;
  readonly class: PriorityClass;
  readonly lane: Lane;
}

export interface AgendaPosition {
  readonly dueAt: Instant;
  readonly queue: QueueName;
}

export interface DuePosition {
  readonly dueAt: Instant;
  readonly entry: EntryId;
}

export type SchedulerAction =
  /** Answer with `agendaRead`. */
  | {
      readonly kind: 'readAgenda';
      readonly partition: Partition;
      readonly after: AgendaPosition | undefined;
      readonly limit: number;
    }
  /** Answer with `dueRead`. */
  | {
      readonly kind: 'readDue';
      readonly lane: LaneRef;
      readonly after: DuePosition | undefined;
      readonly limit: number;
    }
  /** Answer with `resolved`. One open question for each (routing domain, route). */
  | { readonly kind: 'resolve'; readonly routingDomain: string; readonly route: Route }
  /**
   * Try this entry now, on this slot. The driver first moves a retry's due time in the spool (record before
   * you act), then hands it to the worker, and in the end calls `finished`.
   */
  | {
      readonly kind: 'dispatch';
      readonly entry: Entry;
      readonly slot: SlotId;
      readonly worker: WorkerId;
      readonly path: string;
      readonly site: string;
      readonly route: Route;
      readonly hosts: readonly Host[];
      readonly sts?: StsPolicy | undefined;
      readonly secure?: boolean;
    }
  /** The entry ends or waits without a dispatch: no such domain, DNS failure, site in back-off past its expiry. Then `finished` is not called. */
  | { readonly kind: 'settle'; readonly entry: Entry; readonly verdict: WithoutDispatch }
  /** The worker closes the connection of this slot (idle, limit reached, no more mail, path suspended); it is gone now. */
  | { readonly kind: 'closeSlot'; readonly slot: SlotId; readonly worker: WorkerId };

export type WithoutDispatch =
  | { readonly kind: 'failed' | 'deferred'; readonly answer: Extract<SiteAnswer, { kind: 'failed' | 'deferred' }> }
  /** The site cannot be reached; counts as an attempt made at `at`. The entry is to wait until `until` unless it is over. */
  | { readonly kind: 'backedOff'; readonly at: Instant; readonly until: Instant; readonly diagnostic: string }
  /** Its time is over to the minute (`Entry.expiry`): no attempt is made any more. */
  | { readonly kind: 'expired' }
  /** A hold rule: the entry moves to lane `held`. */
  | { readonly kind: 'held'; readonly rule: Rule };

/** What the driver tells of a finished dispatch, next to removing or moving the entry in the spool. */
export interface Finished {
  readonly slot: SlotId;
  readonly entry: EntryId;
  /** What the slot is left with. `lost`: the worker died. */
  readonly connection: 'open' | 'closed' | 'lost';
  /**
   * How the attempt bears on the path: `success` (the receiver took at least one, or refused for reasons of
   * the message), `refused` (connection or path refused; back off), `limited` (told to slow down), `neutral`.
   */
  readonly effect: 'success' | 'refused' | 'limited' | 'neutral';
  /** With `refused` and `limited`: the reply, for explain; and a wait the receiver named, if any. */
  readonly diagnostic: string;
  readonly wait: Duration | undefined;
  /** What the next hop took for it; absent where nothing was sent. */
  readonly transmitTime?: Duration;
}

/** Why something waits, for people. */
export interface Explanation {
  readonly what: string;
  /** The rule or setting, and who set it: `default`, the path in the configuration, or an operator's rule id. */
  readonly by: string;
  readonly until: Instant | undefined;
}
