/** What the threads say to each other. Plain values only: they are cloned on the way. */

import { type Refusal } from '../api/contract.ts';
import { type AttemptReport, type Dispatch, type SlotId } from '../queue/dispatch.ts';
import { type SiteAnswer } from '../queue/site.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Route } from '../mail/route.ts';
import { type NewMessage } from '../spool/spool.ts';
import { type IntakeState, type Submitted } from '../receive/ports.ts';

/** Calls and answers find each other by a number that the caller chose. */
export type CallId = number;

/** A dispatch of a message that the worker took itself and has kept: what it knows of it is left out. */
export type KeptDispatch = Omit<Dispatch, 'sender' | 'recipients' | 'content' | 'sevenBit' | 'acceptedAt'>;

export type WorkerToQueueManager =
  /** `keeps`: the worker has the content in memory, and keeps it if the answer says so. */
  | { readonly kind: 'accept'; readonly call: CallId; readonly message: NewMessage; readonly keeps: boolean }
  | { readonly kind: 'report'; readonly report: AttemptReport }
  | { readonly kind: 'slotClosed'; readonly slot: SlotId }
  | { readonly kind: 'resolved'; readonly routingDomain: string; readonly route: string; readonly answer: SiteAnswer }
  | { readonly kind: 'lease'; readonly call: CallId; readonly site: string }
  | { readonly kind: 'leaseEnd'; readonly site: string }
  /** Of the content of a message that was dispatched as blocks. */
  | {
      readonly kind: 'readContent';
      readonly call: CallId;
      readonly message: QueueId;
      readonly at: number;
      readonly octets: number;
    }
  | { readonly kind: 'event'; readonly line: string };

export type QueueManagerToWorker =
  /** `kept`: the message will come back as a `dispatchKept`, or as a `forget`. */
  | { readonly kind: 'submitted'; readonly call: CallId; readonly result: Submitted; readonly kept: boolean }
  | { readonly kind: 'dispatch'; readonly dispatch: Dispatch }
  /** `last`: the worker need not keep the message behind this attempt. */
  | { readonly kind: 'dispatchKept'; readonly dispatch: KeptDispatch; readonly last: boolean }
  | { readonly kind: 'forget'; readonly message: QueueId }
  | { readonly kind: 'closeSlot'; readonly slot: SlotId }
  | { readonly kind: 'resolve'; readonly routingDomain: string; readonly route: Route }
  /** Undefined: the content is gone. */
  | { readonly kind: 'contentRead'; readonly call: CallId; readonly octets: Uint8Array | undefined }
  | { readonly kind: 'leased'; readonly call: CallId; readonly granted: boolean }
  | { readonly kind: 'intake'; readonly state: IntakeState }
  /** Whether refusals are temporary: an operator may change it at any time. */
  | { readonly kind: 'softBounce'; readonly on: boolean };

/** The main thread asks any other; every ask gets one answer. */
export interface Ask {
  readonly kind: 'ask';
  readonly call: CallId;
  readonly method: string;
  readonly argument: unknown;
}

export type Answer =
  | { readonly kind: 'answer'; readonly call: CallId; readonly value: unknown }
  /** `fault`: what the caller did wrong, if that is what it was. */
  | {
      readonly kind: 'refusal';
      readonly call: CallId;
      readonly reason: string;
      readonly fault: Refusal['kind'] | undefined;
    };

export type ControlToThread = Ask;

export type ThreadToControl =
  | Answer
  | { readonly kind: 'alive' }
  /** Event lines for whoever watches (the sandbox's console). */
  | { readonly kind: 'events'; readonly lines: string }
  /** The store cannot be trusted any more: the process must end. */
  | { readonly kind: 'broken'; readonly reason: string };
