/** Makes queue ids in one thread. */

import { makeQueueId, type QueueId } from '../mail/queue-id.ts';
import { type Clock } from '../ports/clock.ts';
import { type Random } from '../ports/random.ts';

/** The queue manager's own messages (DSNs) carry this maker's number; workers count from 0. */
export const QUEUE_MANAGER_MAKER = 1023;

export function queueIds(maker: number, clock: Clock, random: Random): () => QueueId {
  let counter = 0;
  return () => {
    counter += 1;
    return makeQueueId({ now: clock.now(), maker, counter, chance: random.next() });
  };
}
