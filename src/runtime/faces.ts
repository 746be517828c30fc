/** The faces of a running server: the control socket and, if it is wanted, HTTP. */

import { buildApi, type ApiDeps, listenControl, listenHttp } from '../api/server.ts';
import { type SandboxPort } from '../api/contract.ts';
import { type Config } from '../config/config.ts';
import { healthOf, type Health, type PartHealth } from '../observe/health.ts';
import { METRICS_CONTENT_TYPE, snapshot } from '../observe/metrics.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Control } from './control.ts';
import { controlSocket } from '../api/control-socket.ts';
import { LoopDelay } from './loop-delay.ts';
import { listenProblem } from './port-check.ts';
import { ThreadMetrics } from './thread-metrics.ts';
import { type Threads } from './threads.ts';
import { systemTimers } from './timers.ts';
import { VERSION } from './version.ts';

export interface FacesOptions {
  readonly config: Config;
  readonly threads: Threads;
  readonly control: Control;
  readonly clock: Clock;
  readonly log: Log;
  readonly draining: () => boolean;
  readonly certificateHealth: () => readonly PartHealth[];
  /** The MTA-STS policy of one of our domains, by the configuration as it is now. */
  readonly ownPolicy: (domain: string) => string | undefined;
  readonly sandbox: Omit<SandboxPort, 'moveClock'> | undefined;
  /** Absent: time cannot be moved. */
  readonly moveClock: ((by: number) => Promise<number>) | undefined;
}

// Load balancers wait no longer.
const MAX_ANSWER_TIME = 5000;

type Api = ReturnType<typeof buildApi>;

export class Faces {
  readonly httpAddress: { readonly host: string; readonly port: number } | undefined;
  readonly #apis: readonly Api[];

  private constructor(apis: readonly Api[], httpAddress: Faces['httpAddress']) {
    this.#apis = apis;
    this.httpAddress = httpAddress;
  }

  static async open(options: FacesOptions): Promise<Faces> {
    const deps = apiDeps(options);
    const control = buildApi(deps, undefined);
    await listenControl(control, controlSocket(options.config.spool.folder));
    const { enabled, host, port, names } = options.config.http;
    if (!enabled) return new Faces([control], undefined);
    const http = buildApi(deps, { host, names });
    const address = await listenHttp(http, host, port).catch((error: unknown) => {
      throw listenProblem('http', { host, port }, error);
    });
    return new Faces([control, http], { host: address.address, port: address.port });
  }

  async close(): Promise<void> {
    await Promise.all(this.#apis.map((api) => api.close()));
  }
}

function apiDeps(options: FacesOptions): ApiDeps {
  const { control, clock, log, ownPolicy } = options;
  const metrics = new ThreadMetrics();
  const loop = new LoopDelay('main');
  return {
    ...{ admin: control, clock, log, version: VERSION, metricsContentType: METRICS_CONTENT_TYPE },
    health: () => health(options),
    metrics: () => {
      loop.show();
      return metricsOf(options.threads, metrics);
    },
    sandbox: sandboxPort(options),
    ownPolicy,
  };
}

function sandboxPort({ sandbox, moveClock, clock }: FacesOptions): SandboxPort | undefined {
  if (moveClock === undefined) return undefined;
  const nothing = { messages: async () => [], raw: async () => undefined };
  return {
    messages: (query) => (sandbox ?? nothing).messages(query),
    raw: (id) => (sandbox ?? nothing).raw(id),
    moveClock: (step) => moveClock('by' in step ? step.by : step.to - clock.now()),
  };
}

async function metricsOf({ queueManager, archivist, workers }: Threads, metrics: ThreadMetrics): Promise<string> {
  return metrics.text([queueManager, archivist, ...workers.map(({ thread }) => thread)], await snapshot());
}

async function health({ control, threads, clock, draining, certificateHealth }: FacesOptions): Promise<Health> {
  const intake = await answerWithin(control.status().then((status) => status.intake));
  const isDraining = draining();
  const hasWorkers = threads.workers.length > 0;
  return healthOf(
    [
      part('server', isDraining ? 'draining' : 'ok', isDraining ? 'it is being stopped' : ''),
      part('queue manager', intake === undefined ? 'failed' : 'ok', intake === undefined ? 'it does not answer' : ''),
      part('workers', hasWorkers ? 'ok' : 'failed', hasWorkers ? '' : 'none is running'),
      part(
        'intake',
        intake === 'open' || isDraining ? 'ok' : 'starting',
        intake === 'open' ? '' : `intake is ${intake ?? 'unknown'}`,
      ),
      ...certificateHealth(),
    ],
    clock.now(),
  );
}

/** Undefined: no answer in time, or none at all. */
function answerWithin<T>(answer: Promise<T>): Promise<T | undefined> {
  const tooLate = new Promise<undefined>((resolve) => {
    systemTimers.after(MAX_ANSWER_TIME, () => resolve(undefined));
  });
  return Promise.race([answer.catch(() => undefined), tooLate]);
}

function part(name: string, state: PartHealth['state'], reason: string): PartHealth {
  return { part: name, state, reason, heardAt: undefined, needed: true };
}
