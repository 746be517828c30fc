/** The pickup folder of a running server, joined to its threads. */

import { join } from 'node:path';
import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';
import { type Log } from '../ports/log.ts';
import { type PickupFile, type TakenIn } from '../receive/local-message.ts';
import { type Kept, type Page } from '../spool/spool.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Reply } from '../mail/reply.ts';
import { openPickupFolders, type PickupFolders } from './pickup-folder.ts';
import { Pickup } from './pickup.ts';
import { type Threads } from './threads.ts';
import { type PickupSource } from './worker.ts';
import { systemTimers } from './timers.ts';

export interface OpenPickupOptions {
  readonly config: Config;
  readonly threads: Threads;
  readonly log: Log;
}

/** Undefined: the folder cannot be used. The server runs all the same, and the log says what is wrong. */
export async function openPickup({ config, threads, log }: OpenPickupOptions): Promise<Pickup | undefined> {
  const { folder } = config.pickup;
  try {
    const folders =
      folder === undefined
        ? await openPickupFolders(join(config.spool.folder, 'pickup'), 'owner')
        : await openPickupFolders(folder, 'users');
    const pickup = new Pickup({ ...{ folders, log, timers: systemTimers, now: () => Date.now() }, ...asksOf(threads) });
    await pickup.start();
    return pickup;
  } catch (error) {
    log.error('mail from local programs is not picked up', {
      error: errorText(error),
    });
    return undefined;
  }
}

/** Of messages that the server itself makes: they may come from any sender. */
export function reportPickup(folders: PickupFolders, threads: Threads, log: Log): Pickup {
  const asks = asksOf(threads, 'report');
  return new Pickup({ ...{ folders, log, timers: systemTimers, now: () => Date.now() }, ...asks });
}

/** The threads answer what `worker-thread.ts` and `queue-manager-thread.ts` say. */
function asksOf(threads: Threads, from: PickupSource = 'user') {
  let turn = 0;
  const ask = async (method: string, argument: unknown): Promise<TakenIn> => {
    const { workers } = threads;
    const worker = workers[turn++ % Math.max(1, workers.length)];
    if (worker === undefined) return { kind: 'later', reason: 'no worker is running' };
    return (await worker.thread.ask(method, argument)) as TakenIn;
  };
  return {
    takeIn: (file: PickupFile) => ask('takeIn', { file, from }),
    tellRefused: (file: PickupFile, why: Reply) => ask('tellRefused', { file, why }),
    isKnown: async (id: QueueId) => (await threads.queueManager.ask('isKnown', id)) as boolean,
    letGo: async (ids: readonly QueueId[]) => void (await threads.queueManager.ask('letGo', ids)),
    kept: async (after: QueueId | undefined) => (await threads.queueManager.ask('kept', after)) as Page<Kept, QueueId>,
  };
}
