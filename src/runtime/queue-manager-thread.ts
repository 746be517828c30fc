/** The thread of the queue manager: opens the spool and the event log, and answers the main thread. */

import { type MessagePort, workerData } from 'node:worker_threads';
import { type PageQuery, type QueueFilter, Refusal } from '../api/contract.ts';
import { EventLog } from '../events/event-log.ts';
import { lastLoggedAt } from '../events/last-logged.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Entry } from '../mail/entry.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { queueName } from '../mail/queue-name.ts';
import { type Route } from '../mail/route.ts';
import { PARTITIONS } from '../mail/partition.ts';
import { snapshot } from '../observe/metrics.ts';
import { type SigningSettings } from '../receive/signer.ts';
import { Scheduler } from '../queue/scheduler.ts';
import { openLmdbSpool } from '../spool/lmdb/open.ts';
import { endingReason } from '../spool/lmdb/store.ts';
import { backUp } from './backup.ts';
import { type Boot, type Joining } from './boot.ts';
import { SystemClock } from './clock.ts';
import { loadSource } from './config-source.ts';
import { readDirectory } from './directory-operations.ts';
import { PortLink } from './link.ts';
import { LoopDelay } from './loop-delay.ts';
import { operatorLog } from './operator-log.ts';
import { showQueue } from './queue-manager/flow-metrics.ts';
import { QueueManager } from './queue-manager/queue-manager.ts';
import { UserRates } from './queue-manager/user-rates.ts';
import { QueueOperations } from './queue-manager/queue-admin.ts';
import { systemRandom } from './random.ts';
import { type RoutePlan } from './route-plan.ts';
import { signerOf, signingSettings } from './signing-settings.ts';
import { planOf, queueSettings, routeOfEntry, schedulerOptions } from './settings.ts';
import { serveAsks } from './thread.ts';
import { systemTimers } from './timers.ts';

const boot = workerData as Boot;
const clock = new SystemClock(boot.clockOffset);
const log = operatorLog(clock);
const loop = new LoopDelay('queueManager');

const post = serveAsks({
  start,
  join: (joining: Joining) => {
    closings.set(joining.id, closingOf(joining.port));
    manager().workerJoined(joining.id, new PortLink(joining.port), joining.capacity);
  },
  left: async (id: number) => {
    // Its last reports stand before the end of its port: what it has delivered must not be delivered again.
    await Promise.race([closings.get(id), pause(LAST_WORDS_MS)]);
    closings.delete(id);
    manager().workerLeft(id);
  },
  reload: async (source: Boot['config']) => {
    const config = await loadSource(source);
    plan = planOf(config);
    signing = signingSettings(config.signing);
    // What an operator switched by hand stays until it is changed in the configuration.
    if (config.softBounce !== configured) softBounce = configured = config.softBounce;
    manager().reconfigure(queueSettings(config, softBounce, signerOf(signing, directory)), schedulerOptions(config));
  },
  directoryChanged: () => {
    directory?.refresh();
    if (signing === undefined) return;
    manager().reconfigure({ ...manager().settings, signer: signerOf(signing, directory) });
  },
  clockMoved: () => manager().clockMoved(),
  drain: (within: number) => manager().drain(within),
  close: async () => {
    closing = true;
    await opened?.manager.close();
    await eventLog?.close();
    await spool?.close();
  },
  metrics: async () => {
    if (spool !== undefined) showQueue(await spool.figures(), manager().figures());
    loop.show();
    return snapshot();
  },
  status: async () => ({
    figures: manager().figures(),
    intake: manager().gate.state,
    delivery: manager().delivery,
    softBounce,
    spool: await spool?.figures(),
  }),
  pause: async (what: 'intake' | 'delivery' | 'all') => {
    if (what !== 'delivery') await manager().gate.pause();
    if (what !== 'intake') manager().pauseDelivery();
  },
  unpause: async (what: 'intake' | 'delivery' | 'all') => {
    if (what !== 'delivery') await manager().gate.unpause();
    if (what !== 'intake') manager().unpauseDelivery();
  },
  softBounce: async (on: boolean) => {
    softBounce = on;
    manager().reconfigure({ ...manager().settings, softBounce: on });
  },
  // Of mail from the pickup folder: known until its file is gone.
  isKnown: async (id: QueueId) => (await spool?.message(id)) !== undefined,
  kept: (after: QueueId | undefined) => spool?.kept(after, KEPT_PAGE),
  /** An event of no commit. */
  record: (line: string) => manager().record(line),
  commitEvents: (lines: readonly string[]) => manager().commitEvents(lines),
  letGo: (ids: readonly QueueId[]) => manager().letGo(ids),
  explainEntries: (id: string) => explainEntries(id),
  sites: (query: PageQuery) => manager().sites(query),
  standing: (way: { routingDomain: string; route: Route }) => manager().explain(newcomer(way)),
  list: (query: never) => operations().list(query),
  retry: (change: never) => operations().retry(change),
  hold: (change: never) => operations().hold(change),
  release: (change: never) => operations().release(change),
  remove: (change: never) => operations().remove(change),
  flush: (change: never) => operations().flush(change),
  message: (query: never) => operations().message(query),
  content: (query: never) => operations().content(query),
  rules: () => operations().rules(),
  check: () => operations().check(),
  backup: (request: never) => operations().backup(request),
  suspend: (request: never) => operations().suspend(request),
  resume: (request: never) => operations().resume(request),
});

/** A write and an fsync of the log cost as much for one message as for fifty. */
const LOG_GATHER = 20;

const CHECK_A_COPY =
  'a spool that is in use cannot be checked: stop the server first, or run `postrider backup <folder>` and check the copy with `postrider check --spool <folder>`';

const LAST_WORDS_MS = 1000;
const KEPT_PAGE = 100;
/** Of the workers' ports, by worker. */
const closings = new Map<number, Promise<void>>();
let softBounce = false;
/** What the configuration in force says of it. */
let configured = false;
/** A report that comes too late finds the spool closed: its entry is found due again by the next run. */
let closing = false;
let plan: RoutePlan | undefined;
let opened: { readonly manager: QueueManager; readonly operations: QueueOperations } | undefined;
let spool: Awaited<ReturnType<typeof openLmdbSpool>> | undefined;
let eventLog: EventLog | undefined;
let signing: SigningSettings | undefined;
/** Keys for our own reports. */
let directory: DirectoryStore | undefined;

function manager(): QueueManager {
  if (opened === undefined) throw new Error('the queue manager has not started');
  return opened.manager;
}

function operations(): QueueOperations {
  if (opened === undefined) throw new Error('the queue manager has not started');
  return opened.operations;
}

function broken(error: unknown): void {
  if (closing) return;
  post({ kind: 'broken', reason: endingReason(error) });
}

function closingOf(port: MessagePort): Promise<void> {
  return new Promise((resolve) => void port.once('close', resolve));
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => void systemTimers.after(duration, resolve));
}

async function start(): Promise<{ readonly incoming: string }> {
  const config = await loadSource(boot.config);
  softBounce = configured = config.softBounce;
  const folder = config.spool.folder;
  const store = await openLmdbSpool({ folder, log, timers: systemTimers, onBroken: broken });
  const lastSeen = await lastLoggedAt(config.events.folder);
  const events = await EventLog.open({
    ...{ folder: config.events.folder, clock, log },
    ...{ maxSegmentOctets: config.events.segmentOctets, maxSegmentAge: config.events.segmentAge },
  });
  spool = store;
  eventLog = events;
  directory = readDirectory(folder);
  signing = signingSettings(config.signing);
  const settings = queueSettings(config, softBounce, signerOf(signing, directory));
  plan = planOf(config);
  const scheduler = new Scheduler({
    ...schedulerOptions(config),
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => partition),
    random: () => systemRandom.next(),
    routeOf: (name, entry) => (plan === undefined ? undefined : routeOfEntry(plan, name, entry)),
  });
  const queueManager = new QueueManager({
    ...{ spool: store, scheduler, clock, timers: systemTimers, random: systemRandom, log, settings },
    lastSeen,
    userRates: directory && new UserRates(directory, clock),
    memoryOctets: config.memory.content,
    append: async (sequence, lines) => {
      await events.append(sequence, lines);
      if (boot.eventsWatched) post({ kind: 'events', lines });
    },
    ...{ broken, logGather: LOG_GATHER },
  });
  const queueOperations = new QueueOperations({
    ...{ spool: store, changes: queueManager.changes, locks: queueManager.locks },
    forgetBackOffs: () => queueManager.forgetBackOffs(),
    maintenance: {
      check: async () => {
        throw new Refusal('conflict', CHECK_A_COPY);
      },
      backup: (target) => backUp(store, folder, target),
    },
    story: async () => [], // The archivist has it; the main thread joins both.
  });
  opened = { manager: queueManager, operations: queueOperations };
  await queueManager.start();
  return { incoming: store.incoming };
}

async function explainEntries(id: string): Promise<readonly unknown[]> {
  const filter: QueueFilter = { id };
  const { entries } = await operations().list(filter);
  const stored = await spool?.entriesOf((entries[0]?.message ?? id) as QueueId);
  return entries.map((view) => {
    const entry = stored?.find((each) => each.id === view.id);
    return { entry: view, explanations: entry === undefined ? [] : manager().explain(entry) };
  });
}

/** An entry as mail that came now for this way would be, to ask the scheduler about. */
function newcomer({ routingDomain, route }: { readonly routingDomain: string; readonly route: Route }): Entry {
  const now = clock.now();
  const message = '00000000000000000000' as QueueId;
  return {
    ...{ id: `${message}/0`, message, queue: queueName({ campaign: '', tenant: '', domain: routingDomain }) },
    ...{ routingDomain, route: route.name, class: 'normal', lane: 'fresh', dueAt: now, acceptedAt: now },
    ...{ expiresAt: Number.MAX_SAFE_INTEGER, attempts: 0, recipients: [], reason: 'new', lastReply: '' },
    ...{ lastAttemptAt: undefined, warned: false, crashes: 0, octets: 0 },
  };
}
