/** The thread of one worker. */

import { workerData } from 'node:worker_threads';
import { type Config } from '../config/config.ts';
import { type Reply } from '../mail/reply.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Route } from '../mail/route.ts';
import { snapshot } from '../observe/metrics.ts';
import { type DnsType } from '../ports/resolver.ts';
import { type WorkerBoot } from './boot.ts';
import { type PickupFile } from '../receive/local-message.ts';
import { FailureCounts } from '../receive/failure-counts.ts';
import { KnownClients } from '../receive/known-clients.ts';
import { SharedCounts } from '../receive/limits.ts';
import { processClock, steadyClock, SystemClock } from './clock.ts';
import { type ConfigSource, loadSource } from './config-source.ts';
import { readDirectory } from './directory-operations.ts';
import { PortLink } from './link.ts';
import { localUsers } from './local-users.ts';
import { LoopDelay } from './loop-delay.ts';
import { operatorLog } from './operator-log.ts';
import { systemRandom } from './random.ts';
import { listenersOf, workerSettings } from './settings.ts';
import { RememberedHosts } from './remembered-hosts.ts';
import { openPolicies } from './sts.ts';
import { serveAsks } from './thread.ts';
import { systemTimers } from './timers.ts';
import { showWorker } from './worker-metrics.ts';
import { type PickupSource, WorkerRuntime, type WorkerSettings } from './worker.ts';

const boot = workerData as WorkerBoot;
const clock = new SystemClock(boot.clockOffset);
const loop = new LoopDelay('worker');

interface Reload {
  readonly source: ConfigSource;
  readonly certificates: WorkerBoot['certificates'];
}

let runtime: WorkerRuntime | undefined;
let prepared: { readonly config: Config; readonly settings: WorkerSettings } | undefined;
/** What is in force. */
let current: Config | undefined;
let directory: DirectoryStore | undefined;

serveAsks({
  start: async () => {
    const { id, port, incoming, reusePort } = boot;
    const counts = new SharedCounts(boot.counts, id);
    const config = await loadSource(boot.config);
    directory = readDirectory(config.spool.folder);
    const settings = workerSettings(config, boot.certificates, () => clock.now());
    current = config;
    runtime = new WorkerRuntime({
      ...{
        id,
        incoming,
        counts,
        failures: new FailureCounts(boot.failures, processClock),
        known: new KnownClients(boot.known, processClock),
        directory,
        reusePort,
        settings,
        clock,
        steadyClock: steadyClock(clock),
        random: systemRandom,
        timers: systemTimers,
        userOf: localUsers(),
        policies: await openPolicies(config.spool.folder, id),
        tlsHosts: await RememberedHosts.open({
          ...{ spool: config.spool.folder, worker: id, clock, timers: systemTimers, log: operatorLog(clock) },
        }),
      },
      link: new PortLink(port),
      log: operatorLog(clock),
    });
    await runtime.start();
    // What was changed while it started has been told to nobody.
    runtime.directoryChanged();
    return runtime.addresses;
  },
  prepare: async ({ source, certificates }: Reload) => {
    const config = await loadSource(source);
    prepared = { config, settings: workerSettings(config, certificates, () => clock.now()) };
    await worker().prepare(prepared.settings);
  },
  swap: () => {
    if (prepared === undefined) throw new Error('a reload that was not prepared');
    worker().swap(prepared.settings);
    current = prepared.config;
    prepared = undefined;
  },
  abandon: () => {
    prepared = undefined;
    worker().abandon();
  },
  directoryChanged: () => runtime?.directoryChanged(),
  lookUp: ({ name, type }: { name: string; type: DnsType }) => worker().lookUp(name, type),
  recertify: async (certificates: WorkerBoot['certificates']) => {
    if (current === undefined) throw new Error('the worker has not started');
    await worker().listeners.change(listenersOf(current, certificates, () => clock.now()));
  },
  addresses: () => worker().addresses,
  takeIn: ({ file, from }: { file: PickupFile; from: PickupSource }) => worker().takeIn(file, from),
  tellRefused: ({ file, why }: { file: PickupFile; why: Reply }) => worker().tellRefused(file, why),
  tellTls: () => worker().tellTls(),
  figures: () => worker().figures(),
  metrics: () => {
    showWorker(worker().load());
    loop.show();
    return snapshot();
  },
  site: ({ routingDomain, route }: { routingDomain: string; route: Route }) => worker().site(routingDomain, route),
  drainIntake: (within: number) => worker().drainIntake(within),
  drainDeliveries: (within: number) => worker().drainDeliveries(within),
});

function worker(): WorkerRuntime {
  if (runtime === undefined) throw new Error('the worker has not started');
  return runtime;
}
