/**
 * Mail to 1,000 domains on 50 sites, found by DNS: of a hundred messages five are deferred and two refused, and each
 * refusal makes a report to its sender. It goes out while it comes in, or as a backlog that came while delivery was
 * paused. And the same road for the time that a message takes from our 250 to the next hop's 250.
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
/** Of one connection: the product ends it after a thousand. */
const SESSION_MESSAGES = 500;
const PATIENCE = 120_000;
/** What even a busy machine drains of a backlog, messages a millisecond. */
const SLOWEST_DRAIN = 0.2;
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
  const { product } = world;
  const gone = await untilGone(world, options, numbers.messages);
  return measure(product, numbers.messages, async () => {
    await send(commandOf(product.port, options.domains, numbers));
    await gone(PATIENCE);
  });
}

/** The backlog comes in while delivery is paused; what counts is how it goes out. */
export async function measureDrainMixed(world: MixedWorld, options: MixedOptions, numbers: Numbers): Promise<Figures> {
  const { product } = world;
  const entries = async (): Promise<number> => (await product.control.status()).spool.entries;
  const before = await entries();
  await product.control.pause({ what: 'delivery' });
  for (const part of partsOf(numbers)) await send(commandOf(product.port, options.domains, part));
  await until('the backlog', async () => (await entries()) >= before + numbers.messages, PATIENCE);
  const gone = await untilGone(world, options, numbers.messages);
  return measure(product, numbers.messages, async () => {
    await product.control.unpause({ what: 'delivery' });
    await gone(PATIENCE + numbers.messages / SLOWEST_DRAIN);
  });
}

function partsOf({ first, messages }: Numbers): readonly Numbers[] {
  const size = SESSIONS * SESSION_MESSAGES;
  return Array.from({ length: Math.ceil(messages / size) }, (_, i) => ({
    first: first + i * size,
    messages: Math.min(size, messages - i * size),
  }));
}

/** From now on so many messages were delivered, deferred or refused, and the reports of the refused have arrived. */
async function untilGone(
  { nextHops }: MixedWorld,
  { refuses }: MixedOptions,
  messages: number,
): Promise<(patience: number) => Promise<void>> {
  const before = await nextHops.state();
  const share = (percent: number): number => Math.floor((messages * percent) / 100);
  const [late, lost] = refuses ? [DEFERRED, REFUSED] : [0, 0];
  const isGone = async (): Promise<boolean> => {
    const { delivered, deferred, refused, reports } = await nextHops.state();
    return (
      delivered - before.delivered >= share(100 - late - lost) &&
      deferred - before.deferred >= share(late) &&
      refused - before.refused >= share(lost) &&
      reports - before.reports >= share(lost)
    );
  };
  return (patience) => until('all mail to be at the next hops', isGone, patience);
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
  const arrived = async (): Promise<boolean> => (await nextHops.state()).delivered - delivered >= numbers.messages;
  await until('all mail to be at the next hops', arrived, PATIENCE);
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

async function until(what: string, probe: () => Promise<boolean>, patience: number): Promise<void> {
  const end = performance.now() + patience;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`waited ${Math.round(patience)} ms in vain for ${what}`);
    await pause(POLL);
  }
}
