/** The faces of a running server: the control socket and, if it is wanted, HTTP. */

import { buildApi, type ApiDeps, listenControl, listenHttp } from '../api/server.ts';
import { type SandboxPort } from '../api/contract.ts';
import { type Config } from '../config/config.ts';
import { healthOf, type Health, type PartHealth } from '../observe/health.ts';
import { mergedText, METRICS_CONTENT_TYPE, type MetricsSnapshot, snapshot } from '../observe/metrics.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type Control } from './control.ts';
import { controlSocket } from './control-lock.ts';
import { listenProblem } from './port-check.ts';
import { type Threads } from './threads.ts';
import { VERSION } from './version.ts';

export interface FacesOptions {
  readonly config: Config;
  readonly threads: Threads;
  readonly control: Control;
  readonly clock: Clock;
  readonly log: Log;
  readonly draining: () => boolean;
  readonly sandbox: Omit<SandboxPort, 'moveClock'> | undefined;
  /** Absent: time cannot be moved. */
  readonly moveClock: ((by: number) => Promise<number>) | undefined;
}

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
  const { control, clock, log } = options;
  return {
    ...{ admin: control, clock, log, version: VERSION, metricsContentType: METRICS_CONTENT_TYPE },
    health: () => health(options),
    metrics: () => metrics(options.threads),
    sandbox: sandboxPort(options),
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

async function metrics({ queueManager, archivist, workers }: Threads): Promise<string> {
  const others = [queueManager, archivist, ...workers.map(({ thread }) => thread)];
  const snapshots = await Promise.all(others.map((thread) => thread.ask('metrics')));
  return mergedText([await snapshot(), ...(snapshots as MetricsSnapshot[])]);
}

async function health({ control, threads, clock, draining }: FacesOptions): Promise<Health> {
  const { intake } = await control.status();
  const isDraining = draining();
  return healthOf(
    [
      part('server', isDraining ? 'draining' : 'ok', isDraining ? 'it is being stopped' : ''),
      part(
        'workers',
        threads.workers.length > 0 ? 'ok' : 'failed',
        threads.workers.length > 0 ? '' : 'none is running',
      ),
      part(
        'intake',
        intake === 'open' || isDraining ? 'ok' : 'starting',
        intake === 'open' ? '' : `intake is ${intake}`,
      ),
    ],
    clock.now(),
  );
}

/** Asked directly: what does not answer shows by the request that hangs. */
function part(name: string, state: PartHealth['state'], reason: string): PartHealth {
  return { part: name, state, reason, heardAt: undefined, needed: true };
}
