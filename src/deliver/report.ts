/** Outcomes of our own making, and the reports that carry outcomes. */

import { type Outcome, type Undelivered } from '../mail/outcome.ts';
import { type EnhancedStatus } from '../mail/reply.ts';
import { type AttemptReport, type Dispatch } from '../queue/dispatch.ts';

/** What we say ourselves: deferred, without a remote, of local cause, unless told otherwise. */
export function ourOutcome(
  status: EnhancedStatus,
  text: string,
  more: Partial<Omit<Undelivered, 'status' | 'diagnostic'>> = {},
): Undelivered {
  const kind = status.startsWith('5') ? 'failed' : 'deferred';
  return { kind, status, scope: 'message', diagnostic: `postrider: ${text}`, remoteMta: '', cause: 'local', ...more };
}

/** Taken by a mailbox, a program, or nobody at all: here it ends. */
export function deliveredHere(text: string): Outcome {
  return {
    kind: 'delivered',
    remoteMta: '',
    status: '2.0.0',
    diagnostic: `postrider: ${text}`,
    dsnPassedOn: false,
    final: true,
  };
}

export function reportOf(
  dispatch: Dispatch,
  outcomes: readonly Outcome[],
  more: Partial<AttemptReport> = {},
): AttemptReport {
  return {
    id: dispatch.id,
    outcomes,
    connection: 'closed',
    host: '',
    address: '',
    tls: undefined,
    reused: false,
    refused: false,
    connectTime: 0,
    transmitTime: 0,
    ...more,
  };
}

export function sameForAll(dispatch: Dispatch, outcome: Outcome): readonly Outcome[] {
  return dispatch.recipients.map(() => outcome);
}
