/**
 * Whether new mail is taken: not while an operator paused it, the disk is nearly full, or we are shutting
 * down. The queue manager decides; every worker is told when it changes.
 */

import { type IntakeState } from '../receive/ports.ts';

export interface GateFacts {
  readonly paused: boolean;
  readonly draining: boolean;
  readonly freeOctets: number;
  readonly minFreeOctets: number;
}

// Mail is taken again only when there is clearly more room than the guard, so that the gate does not flap.
const REOPEN_FACTOR = 1.1;

export function intakeState(facts: GateFacts, before: IntakeState): IntakeState {
  if (facts.draining) return 'draining';
  if (facts.paused) return 'paused';
  const needed = before === 'full' ? facts.minFreeOctets * REOPEN_FACTOR : facts.minFreeOctets;
  return facts.freeOctets < needed ? 'full' : 'open';
}
