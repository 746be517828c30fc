/**
 * Mail to 1,000 domains on 50 sites, found by DNS: of a hundred messages five are deferred and two refused, and each
 * refusal makes a report to its sender. And the same road for the time that a message takes from our 250 to the next
 * hop's 250.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { DEFERRED, type NextHops, REFUSED, send, type SourceCommand, startNextHops } from './children.ts';
import { type Figures, measure } from './measure.ts';
import { type Product, startProduct } from './servers.ts';

export interface MixedWorld {
  readonly product: Product;
  readonly nextHops: NextHops;
  stop(): Promise<void>;
}

export interface MixedOptions {
  readonly build: string;
  readonly sites: number;
  readonly domains: number;
  readonly refuses: boolean;
}

const OCTETS = 4096;
const SESSIONS = 50;
const PATIENCE = 120_000;
const POLL = 20;

export async function openMixed({ build, ...wanted }: MixedOptions): Promise<MixedWorld> {
  const nextHops = await startNextHops(wanted);
  const config = {
    dns: { servers: [nextHops.dns] },
    routes: [{ kind: 'mx', name: 'mx', port: nextHops.port, tls: 'none' }],
  } as const;
  const product = await startProduct({ build, sinkPort: 1, config: { ...config, routes: [...config.routes] } });
  return {
    ...{ product, nextHops },
    stop: async () => {
      await product.stop();
      nextHops.stop();
    },
  };
}

/** `first` is the number of the first message: a multiple of a hundred that was not used before. */
export async function measureMixed(world: MixedWorld, options: MixedOptions, numbers: Numbers): Promise<Figures> {
  const { product, nextHops } = world;
  const before = await nextHops.state();
  const share = (percent: number): number => Math.floor((numbers.messages * percent) / 100);
  const [late, lost] = options.refuses ? [DEFERRED, REFUSED] : [0, 0];
  return measure(product, numbers.messages, async () => {
    await send(commandOf(product.port, options.domains, numbers));
    await until(async () => {
      const { delivered, deferred, refused, reports } = await nextHops.state();
      return (
        delivered - before.delivered >= share(100 - late - lost) &&
        deferred - before.deferred >= share(late) &&
        refused - before.refused >= share(lost) &&
        reports - before.reports >= share(lost)
      );
    });
  });
}

export interface Numbers {
  readonly first: number;
  readonly messages: number;
  /** Messages a second; none: as many as are taken. */
  readonly rate?: number;
}

export async function measureLatency(world: MixedWorld, { domains }: MixedOptions, numbers: Numbers): Promise<Figures> {
  const { product, nextHops } = world;
  const { delivered } = await nextHops.state();
  const begun = performance.now();
  const sent = await send(commandOf(product.port, domains, numbers));
  const elapsed = performance.now() - begun;
  await until(async () => (await nextHops.state()).delivered - delivered >= numbers.messages);
  const { times } = await nextHops.state('times');
  const accepted = new Map(sent.times);
  // The next hop may have answered before our client has read its 250.
  const waits = times
    .flatMap(([number, at]) => (accepted.has(number) ? [Math.max(0, at - (accepted.get(number) ?? 0))] : []))
    .toSorted((a, b) => a - b);
  const percentile = (share: number): number => waits[Math.floor(waits.length * share)] ?? Number.NaN;
  return { perSecond: (numbers.messages / elapsed) * 1000, p50: percentile(0.5), p99: percentile(0.99) };
}

function commandOf(port: number, domains: number, { first, messages, rate }: Numbers): SourceCommand {
  const gap = rate === undefined ? 0 : (SESSIONS / rate) * 1000;
  return { ...{ port, sessions: SESSIONS, gap, first, messages, domains }, octets: OCTETS };
}

async function until(probe: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error('mail did not arrive at the next hops');
    await pause(POLL);
  }
}
