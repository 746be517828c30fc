/**
 * Health of the whole from the health of its parts.
 *
 * `live`: restarting the process would not help; only a part that failed for good, or has not been heard of
 * for long, makes it false. `ready`: new mail can be taken now.
 */

import { type Duration, type Instant, SECOND } from '../lib/time.ts';

/** `degraded`: works, but a person should look; `starting` and `draining` take no new mail and are no fault. */
export type PartState = 'starting' | 'ok' | 'degraded' | 'draining' | 'failed';

export interface PartHealth {
  readonly part: string;
  readonly state: PartState;
  /** Why it is not `ok`, for people. */
  readonly reason: string;
  /** When the part last said so; absent for a part that is asked directly. */
  readonly heardAt: Instant | undefined;
  /** Whether mail can be taken without it. The archivist can be missed, the queue manager cannot. */
  readonly needed: boolean;
}

export interface Health {
  readonly live: boolean;
  readonly ready: boolean;
  readonly parts: readonly { readonly part: string; readonly state: PartState | 'silent'; readonly reason: string }[];
}

/** A thread that has said nothing for this long hangs. */
export const MAX_SILENCE: Duration = 10 * SECOND;

export function healthOf(parts: readonly PartHealth[], now: Instant): Health {
  const judged = parts.map((part) => ({ part, state: stateOf(part, now) }));
  const needed = judged.filter(({ part }) => part.needed);
  return {
    live: !needed.some(({ state }) => state === 'failed' || state === 'silent'),
    ready: needed.length > 0 && needed.every(({ state }) => state === 'ok' || state === 'degraded'),
    parts: judged.map(({ part, state }) => ({ part: part.part, state, reason: reasonOf(part, state, now) })),
  };
}

function stateOf({ state, heardAt }: PartHealth, now: Instant): PartState | 'silent' {
  // What has failed stays failed, however long ago it said so.
  if (state === 'failed' || heardAt === undefined) return state;
  return now - heardAt > MAX_SILENCE ? 'silent' : state;
}

function reasonOf({ reason, heardAt }: PartHealth, state: PartState | 'silent', now: Instant): string {
  if (state !== 'silent' || heardAt === undefined) return reason;
  return `nothing heard for ${Math.round((now - heardAt) / SECOND)} s`;
}
