/**
 * The queue of a stopped server, for the command line: the same operations on the same spool, under the same
 * lock. Nothing is delivered here; what is changed is found by the server when it starts.
 */

import { existsSync } from 'node:fs';
import { hostname as systemHostname } from 'node:os';
import { join } from 'node:path';
import {
  type EventsAdmin,
  type EventsPage,
  type EventsQuery,
  type MessageStory,
  type QueueAdmin,
  Refusal,
} from '../api/contract.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { type Config } from '../config/config.ts';
import { checkDirectory } from '../directory/sqlite/sqlite-directory.ts';
import { openHistory } from '../events/history.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type Log } from '../ports/log.ts';
import { checkSpool, compactSpool, type CompactReport } from '../spool/lmdb/maintenance.ts';
import { openLmdbSpool } from '../spool/lmdb/open.ts';
import { type Spool } from '../spool/spool.ts';
import { backUp } from './backup.ts';
import { SystemClock } from './clock.ts';
import { controlSocket } from '../api/control-socket.ts';
import { holderOf } from './control-lock.ts';
import { openDirectory } from './directory-care.ts';
import { directoryFacts } from './directory-facts.ts';
import { directoryCalls, type DirectoryFacts, directoryFile, DirectoryOperations } from './directory-operations.ts';
import { operatorLog } from './operator-log.ts';
import { eventsPage } from './events-page.ts';
import { EntryLocks } from './queue-manager/entry-locks.ts';
import { QueueOperations } from './queue-manager/queue-admin.ts';
import { QueueChanges } from './queue-manager/queue-changes.ts';
import { Settler } from './queue-manager/settler.ts';
import { type SpoolLock, takeSpoolLock } from './spool-lock.ts';
import { systemTimers } from './timers.ts';

type OpenSpool = Awaited<ReturnType<typeof openLmdbSpool>>;

export type OfflineQueue = QueueAdmin & EventsAdmin & DirectoryAdmin & { close(): Promise<void> };

/**
 * Rejects with a `Refusal` when the folder holds no spool, or somebody holds the spool. `config`: as the server will have
 * it; without it less is known of the records of domains.
 */
export async function openOffline(folder: string, config?: Config): Promise<OfflineQueue> {
  const lock = await lockExisting(folder);
  const log = quietLog();
  const spool = await openLmdbSpool({ folder, log, timers: systemTimers, onBroken: nothing }).catch(
    (error: unknown) => {
      lock.release();
      throw error;
    },
  );
  const settler = new Settler({ spool, timers: systemTimers, log, logged: () => undefined, committed: nothing });
  const changes = changesOf(spool, settler);
  await changes.load();
  const operations = operationsOf(folder, spool, changes);
  // The server writes to the log what it finds in the spool when it starts.
  const record = (events: readonly string[]): Promise<void> => settler.settle({ events });
  const directory = offlineDirectory(folder, config, record);
  return Object.assign(operations, directory.calls, {
    events: (query: EventsQuery) => eventsIn(historyOf(folder), query),
    close: async () => {
      directory.close();
      await spool.close();
      lock.release();
    },
  });
}

/** Nobody listens to a queue that is stopped; what goes wrong rejects the call that met it. */
function nothing(): void {
  return undefined;
}

/** Writes the store of a stopped server anew, without its free pages. */
export async function compactOffline(folder: string): Promise<CompactReport> {
  const lock = await lockExisting(folder);
  try {
    return await compactSpool(folder);
  } finally {
    lock.release();
  }
}

async function lockExisting(folder: string): Promise<SpoolLock> {
  if (!existsSync(join(folder, 'store')))
    throw new Refusal('notFound', `${folder} holds no spool; name the right one with --spool or --config`);
  const lock = await takeSpoolLock(folder);
  if (lock !== undefined) return lock;
  // A server answers there; another command on the stopped spool does not, and is soon done.
  const isServer = (await holderOf(controlSocket(folder))) === 'somebody';
  const why = isServer
    ? `a server has the spool ${folder} open; stop it first`
    : `the spool ${folder} is held by another program that does not answer; try again`;
  throw new Refusal('conflict', why);
}

function changesOf(spool: Spool, settler: Settler): QueueChanges {
  return new QueueChanges(
    { spool, settler, clock: new SystemClock() },
    { locks: new EntryLocks(), settled: nothing, rules: nothing, inFlightUnder: () => 0, noticed: nothing },
  );
}

function operationsOf(folder: string, spool: OpenSpool, changes: QueueChanges): QueueOperations {
  return new QueueOperations({
    ...{ spool, changes, locks: new EntryLocks(), forgetBackOffs: () => undefined },
    maintenance: {
      check: async () => {
        // The check opens the store by itself, and a store is open once in a process.
        await spool.close();
        const { figures, problems } = await checkSpool(folder);
        return {
          messages: figures.messages,
          entries: figures.entries,
          problems: [...problems, ...checkDirectory(directoryFile(folder))],
        };
      },
      backup: (target) => backUp(spool, folder, target),
    },
    story: async (id) => storyIn(historyOf(folder), id),
  });
}

const FACTS_WITHOUT_CONFIG: DirectoryFacts = {
  hostname: systemHostname(),
  stsRecord: () => undefined,
  ...{ sendsBy: [], reportsTo: undefined },
  notes: () => [
    'made without a configuration: the name of this host may be another one, and what else the server wants is not known; ask again with --config',
  ],
};

/** Nobody else has it open: what is changed is found by the server when it starts. */
function offlineDirectory(
  folder: string,
  config: Config | undefined,
  record: (lines: readonly string[]) => Promise<void>,
) {
  const store = openDirectory(folder);
  const clock = new SystemClock();
  const operations = new DirectoryOperations({
    ...{ store, record, changed: () => Promise.resolve(), now: () => clock.now() },
    facts: () => (config === undefined ? FACTS_WITHOUT_CONFIG : directoryFacts(config)),
  });
  return { calls: directoryCalls(operations), close: () => store.close() };
}

function historyOf(folder: string): string {
  return join(folder, 'events', 'history.db');
}

async function eventsIn(file: string, query: EventsQuery): Promise<EventsPage> {
  if (!existsSync(file)) return { events: [], next: undefined };
  const history = openHistory(file);
  try {
    return await eventsPage(query, (wanted) => history.search(wanted));
  } finally {
    history.close();
  }
}

/** What the archivist had stored when the server stopped. */
function storyIn(file: string, id: QueueId): MessageStory['events'] {
  if (!existsSync(file)) return [];
  const history = openHistory(file);
  try {
    return history.story(id) as unknown as MessageStory['events'];
  } finally {
    history.close();
  }
}

/** A command says what it did by itself; only what went wrong is worth a line of the log. */
function quietLog(): Log {
  const log = operatorLog(new SystemClock());
  return { ...log, info: () => undefined };
}
