/**
 * The workloads, one after the other; in each the servers take turns, so that what else happens on the machine hits
 * all of them alike.
 */

import { type Build } from './build.ts';
import { measureDrain } from './drain.ts';
import { flowOf, type FlowName, measureFlow, warmUp } from './flows.ts';
import { measureIdle } from './idle.ts';
import { type Figures } from './measure.ts';
import { measureDrainMixed, measureLatency, measureMixed, type MixedOptions, openMixed } from './mixed.ts';
import { type BenchOptions, type ServerName, type Workload } from './options.ts';
import { type Sink } from './postfix-tools.ts';
import { measureQueued } from './queued.ts';
import { type Row, summaryOf } from './report.ts';
import { PEER_NAMES, type PeerOptions, PEERS } from './peers.ts';
import { type MeasuredServer, type Product, startCeiling, startProduct } from './servers.ts';
import { measureBothAlone, measureRsa, startSigned } from './signed.ts';
import { measureSubmission, startSubmission, type SubmissionName, warmUpSubmission } from './submission.ts';

export interface Bench {
  readonly options: BenchOptions;
  /** The product's, by the name of its row. */
  readonly builds: ReadonlyMap<string, Build>;
  readonly sink: Sink;
  readonly tell: (text: string) => void;
  /** What was found so far; later workloads want to know of earlier ones. */
  readonly rows: Row[];
  /** Workloads that could not be measured, and why. */
  readonly failures: string[];
  /** Peers that cannot be had or cannot run here, and why. */
  readonly missing: string[];
  /** Of the peers that were measured. */
  readonly versions: Record<string, string>;
}

const MIXED = { sites: 50, domains: 1000 } as const;
const FEW_QUEUED = 1000;
const WARM_UP = 10_000;
/** From none to two seconds between the messages of a session. */
const STEADY = { sessions: 500, pause: 2 } as const;
/** The rows of what is no message. */
const RSA_ALONE = 'rsa signature';
const BOTH_ALONE = 'both signatures';
/** Where no relay was measured in this run, the rate to take half of. */
const USUAL_RATE = 1000;
const LATENCY_SECONDS = 5;

export async function runWorkloads(bench: Bench): Promise<void> {
  for (const workload of bench.options.workloads) {
    bench.tell(`── ${workload}`);
    try {
      await WORK[workload](bench);
    } catch (error) {
      // What the others found is not lost for that.
      const failure = `${workload}: ${error instanceof Error ? error.message : String(error)}`;
      bench.failures.push(failure);
      bench.tell(`failed: ${failure}`);
    }
  }
}

const WORK: Readonly<Record<Workload, (bench: Bench) => Promise<void>>> = {
  accept: (bench) => flow(bench, 'accept'),
  relay: (bench) => flow(bench, 'relay'),
  reuse: (bench) => flow(bench, 'reuse'),
  large: (bench) => flow(bench, 'large'),
  signed: (bench) => signed(bench, 'signed'),
  'signed-steady': (bench) => signed(bench, 'signed-steady'),
  submission: (bench) => submission(bench, 'submission'),
  'submission-pipelined': (bench) => submission(bench, 'submission-pipelined'),
  'submission-each': (bench) => submission(bench, 'submission-each'),
  'submission-accept': (bench) => submission(bench, 'submission-accept'),
  drain,
  mixed,
  'drain-mixed': drainMixed,
  latency,
  idle: (bench) => idle(bench, false),
  'idle-tls': (bench) => idle(bench, true),
  queued,
};

async function flow(bench: Bench, name: FlowName): Promise<void> {
  const { options, sink } = bench;
  const wanted = flowOf(name, options.messages);
  const servers = await startServers(bench, ['postrider', 'ceiling']);
  await startPeers(bench, servers, name === 'accept' ? 'kept' : 'dropped');
  try {
    for (const [server, measured] of servers) await warmUp(server, measured, { sink, flow: wanted });
    await inTurns(bench, name, servers, (server) => measureFlow(server, sink, wanted));
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

/** The product alone: what signing adds. */
async function signed(bench: Bench, name: 'signed' | 'signed-steady'): Promise<void> {
  const { options, sink, builds } = bench;
  const build = builds.get('postrider');
  if (build === undefined || !options.servers.includes('postrider')) return;
  const full = flowOf('reuse', options.messages);
  const wanted = name === 'signed' ? full : { ...full, ...STEADY };
  const { products, stop } = await startSigned(build, sink, options.profile);
  try {
    for (const product of products.values()) await warmUp('postrider', product, { sink, flow: full });
    const works = [...products].map(([form, product]) => [form, () => measureFlow(product, sink, wanted)] as const);
    const alone = [
      [RSA_ALONE, measureRsa] as const,
      ...(name === 'signed-steady' ? [[BOTH_ALONE, measureBothAlone] as const] : []),
    ];
    await inTurns(bench, name, new Map([...works, ...alone]), (work) => work());
  } finally {
    await stop();
  }
}

async function submission(bench: Bench, name: SubmissionName): Promise<void> {
  const { options, sink } = bench;
  const wanted = options.servers.includes('postrider') ? [...bench.builds] : [];
  const builds = new Map(wanted.map(([each, { folder }]) => [each, folder]));
  const load = { name, messages: options.messages };
  const servers = await startSubmission({ builds, sink, options });
  try {
    for (const server of servers.values()) await warmUpSubmission(server, sink, load);
    await inTurns(bench, name, servers, (server) => measureSubmission(server, sink, load));
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

async function drain(bench: Bench): Promise<void> {
  const { options, sink } = bench;
  const products = await startProducts(bench);
  try {
    for (const [server, product] of products)
      await warmUp(server, product, { sink, flow: flowOf('relay', options.messages) });
    await inTurns(bench, 'drain', products, (product) => measureDrain(product, sink, options.backlog));
  } finally {
    for (const product of products.values()) await product.stop();
  }
}

async function mixed(bench: Bench): Promise<void> {
  const messages = hundreds(bench.options.messages * 2);
  await onRoads(bench, 'mixed', (world, options, first) => measureMixed(world, options, { first, messages }));
}

async function drainMixed(bench: Bench): Promise<void> {
  const messages = hundreds(bench.options.mixedBacklog);
  await onRoads(bench, 'drain-mixed', (world, options, first) =>
    measureDrainMixed(world, options, { first, messages }),
  );
}

async function latency(bench: Bench): Promise<void> {
  const relayed = bench.rows.find(({ workload, server }) => workload === 'relay' && server === 'postrider');
  const full = summaryOf(relayed?.runs.map((run) => run['perSecond'] ?? 0) ?? [USUAL_RATE]).median;
  const rate = full / 2;
  const messages = hundreds(Math.min(rate * LATENCY_SECONDS, bench.options.messages * 2));
  const measureOne = (world: Parameters<typeof measureLatency>[0], options: MixedOptions, first: number) =>
    measureLatency(world, options, { first, messages, rate });
  await onRoads(bench, 'latency', measureOne);
}

/** Each product with next hops of its own; the numbers of its messages go on. */
async function onRoads(
  bench: Bench,
  workload: 'mixed' | 'drain-mixed' | 'latency',
  work: (world: Awaited<ReturnType<typeof openMixed>>, options: MixedOptions, first: number) => Promise<Figures>,
): Promise<void> {
  const worlds = new Map<string, Awaited<ReturnType<typeof openMixed>>>();
  const optionsOf = (build: string): MixedOptions => ({ build, ...MIXED, refuses: workload !== 'latency' });
  let first = 0;
  try {
    for (const [name, { folder }] of bench.builds) worlds.set(name, await openMixed(optionsOf(folder)));
    for (const world of worlds.values())
      await measureMixed(world, optionsOf(''), {
        first,
        messages: hundreds(Math.min(WARM_UP, 2 * bench.options.messages)),
      });
    first = 1_000_000;
    await inTurns(bench, workload, worlds, (world) => {
      first += 1_000_000;
      return work(world, optionsOf(''), first);
    });
  } finally {
    for (const world of worlds.values()) await world.stop();
  }
}

/** With the ceiling beside it: what a bare socket costs. */
async function idle(bench: Bench, tls: boolean): Promise<void> {
  const { connections } = bench.options;
  const servers = await startServers(bench, tls ? ['postrider'] : ['postrider', 'ceiling']);
  const workload = tls ? 'idle-tls' : 'idle';
  try {
    await inTurns(bench, workload, servers, (server) => measureIdle(server, { connections, tls }));
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

/** Once: it is long, and memory is steadier than time. */
async function queued(bench: Bench): Promise<void> {
  const counts = [Math.min(FEW_QUEUED, bench.options.queued), bench.options.queued];
  for (const [name, { folder }] of bench.builds) {
    const figures = await measureQueued({ build: folder, counts });
    for (const [i, run] of figures.entries())
      bench.rows.push({ workload: `queued ${counts[i]}`, server: name, runs: [run] });
  }
}

async function inTurns<T>(
  { options, tell, rows }: Bench,
  workload: string,
  servers: ReadonlyMap<string, T>,
  work: (server: T) => Promise<Figures>,
): Promise<void> {
  const runs = new Map<string, Figures[]>([...servers.keys()].map((name) => [name, []]));
  for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
    for (const [name, server] of servers) {
      const figures = await work(server);
      runs.get(name)?.push(figures);
      tell(`${workload} ${repetition}/${options.repetitions} ${name}: ${shown(figures)}`);
    }
  }
  for (const [server, figures] of runs) rows.push({ workload, server, runs: figures });
}

function shown(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`)
    .join(', ');
}

async function startServers(bench: Bench, wanted: readonly ServerName[]): Promise<Map<string, MeasuredServer>> {
  const { options, sink } = bench;
  const isWanted = (name: ServerName): boolean => wanted.includes(name) && options.servers.includes(name);
  const servers = new Map<string, MeasuredServer>(isWanted('postrider') ? await startProducts(bench) : []);
  if (isWanted('ceiling')) servers.set('ceiling', await startCeiling(sink.port, options.ceilingThreads));
  return servers;
}

/** One that cannot be had here is named in the table, and the others are measured. */
async function startPeers(
  { options, sink, missing, versions, tell }: Bench,
  servers: Map<string, MeasuredServer>,
  discarded: PeerOptions['discarded'],
): Promise<void> {
  for (const name of PEER_NAMES.filter((peer) => options.servers.includes(peer)))
    try {
      const server = await PEERS[name]({ sinkPort: sink.port, discarded });
      servers.set(name, server);
      if (server.version !== undefined) versions[name] = server.version;
    } catch (error) {
      const why = `${name}: ${error instanceof Error ? error.message : String(error)}`;
      if (!missing.some((known) => known.startsWith(`${name}: `))) missing.push(why);
      tell(`missing: ${why}`);
    }
}

async function startProducts({ options, builds, sink }: Bench): Promise<ReadonlyMap<string, Product>> {
  const products = new Map<string, Product>();
  for (const [name, { folder }] of builds)
    products.set(name, await startProduct({ build: folder, sinkPort: sink.port, profile: options.profile }));
  return products;
}

function hundreds(count: number): number {
  return Math.max(100, Math.round(count / 100) * 100);
}
