/**
 * Content that goes to a worker with its dispatch, and how much of it each worker holds.
 *
 * A worker holds what it was given until the delivery is over, which a slow receiver can put off for an hour. So only
 * a share of the octet budget is given whole; beyond it a delivery reads its content from the queue manager, block by
 * block, as fast as its receiver takes it.
 */

import { type QueueId } from '../../mail/queue-id.ts';
import { type DispatchContent } from '../../queue/dispatch.ts';
import { type WorkerId } from '../../queue/scheduling.ts';
import { type Spool } from '../../spool/spool.ts';
import { type RecentMessages } from './recent-messages.ts';

export interface Part {
  readonly message: QueueId;
  readonly at: number;
  readonly octets: number;
}

export class HandedContent {
  readonly #limit: number;
  readonly #held = new Map<WorkerId, number>();

  /** Octets that a worker may hold. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** As it goes along. */
  hand(worker: WorkerId, content: DispatchContent): DispatchContent {
    if (content.kind !== 'octets') return content;
    const octets = content.octets.length;
    if (!this.hasRoom(worker, octets)) return { kind: 'blocks', octets };
    this.#held.set(worker, (this.#held.get(worker) ?? 0) + octets);
    return content;
  }

  hasRoom(worker: WorkerId, octets: number): boolean {
    return (this.#held.get(worker) ?? 0) + octets <= this.#limit;
  }

  /** What `hand` gave is no longer held. */
  back(worker: WorkerId, content: DispatchContent | undefined): void {
    if (content?.kind !== 'octets') return;
    this.#held.set(worker, (this.#held.get(worker) ?? 0) - content.octets.length);
  }
}

/** In memory of its own, so that it can be transferred; undefined when there is no such content any more. */
export async function readPart(
  { message, at, octets }: Part,
  { recent, spool }: { readonly recent: RecentMessages; readonly spool: Spool },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const kept = recent.get(message)?.octets;
  if (kept !== undefined) return copyOf(kept.subarray(at, at + octets));
  const content = await spool.content(message, { at, octets });
  return content?.kind === 'octets' ? copyOf(content.octets) : undefined;
}

function copyOf(octets: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(octets);
}
