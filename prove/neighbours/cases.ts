/**
 * What the bad neighbours do to the product, case by case, and what must be true of each beside what is judged of
 * all: good mail flows, memory and event loops stay flat, nothing dies.
 */

import { LineClient } from '../../test/lib/line-client.ts';
import { until } from '../../test/lib/wait.ts';
import { cuttingClients, type Cuts, deafClients, drippingClients, during, stalledClients } from './bad-clients.ts';
import { BAD_NAMES } from './bad-dns.ts';
import { type BadHop } from './bad-hops.ts';
import { mib } from './judge.ts';
import { openAtOnce, openConnections } from './open-connections.ts';
import { gaugeIn } from './watch.ts';
import { LONGEST_WAIT, MOST_CONNECTIONS, sendTo, SLOW_RECEIVERS, type World } from './world.ts';

export interface Found {
  readonly failures: readonly string[];
  readonly cases: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, number | string>>;
  /** Recipients with bad neighbours whose mail was accepted. */
  readonly accepted: readonly string[];
}

export interface Case {
  readonly name: string;
  /** What its memory may grow by. */
  readonly grownOctets: number;
  /** And so much more for each worker beyond the first, which has a budget of its own. */
  readonly grownPerWorker?: number;
  /** `alone`: with a product of its own, since memory is what it is about. */
  readonly product: 'shared' | 'alone';
  /** How many it may have to next hops, where that is what it is about. */
  readonly connections?: number;
  /** `round` differs each time, for names that must not come twice. */
  run(world: World, round: number, seconds: number): Promise<Found>;
}

const MIB = 1 << 20;
const NOTHING: Found = { failures: [], cases: {}, figures: {}, accepted: [] };

/** More than may be on their way to one hop at once. */
const MAILS_A_HOP = 25;
const MAILS_A_NAME = 3;
/** One product bears these cases one after the other; what the collector of garbage has not come to is most of it. */
const SHARED_GROWTH = 192 * MIB;
/** Of the slow receivers, at once. The first may be given up when the last is tried; the figure says how many there were. */
const ENOUGH_SLOW = 0.8 * SLOW_RECEIVERS;
/** What systems keep on the way of one connection, and a product that reads on for a moment. */
const MOST_TAKEN = 12 * MIB;
/** After the longest time that a next hop is given. */
const GRACE = 15_000;

const hopsCase: Case = {
  name: 'bad next hops',
  product: 'shared',
  grownOctets: SHARED_GROWTH,
  run: async (world, round) => {
    const { hops } = world;
    const accepted: string[] = [];
    const recipientsOf = ({ domain }: BadHop): readonly string[] =>
      Array.from({ length: MAILS_A_HOP }, (_, i) => `bad${round}-${i}@${domain}`);
    accepted.push(...(await sendTo(world, hops.flatMap(recipientsOf))));
    // The table is not read in one moment: one connection may stand in it beside the one that follows it.
    const peaks = new Map<BadHop, number>();
    let first = new Set<string>();
    const open = (): readonly BadHop[] => {
      const now = openConnections();
      const of = ({ port }: BadHop): readonly string[] => now.get(port) ?? [];
      for (const hop of hops) peaks.set(hop, Math.max(peaks.get(hop) ?? 0, of(hop).length));
      if (first.size === 0) first = new Set(hops.flatMap(of));
      return hops.filter((hop) => of(hop).some((connection) => first.has(connection)));
    };
    const tried = (): boolean => hops.every(({ connections }) => connections > 0);
    await until('a connection to each', tried, GRACE).catch(() => {});
    // Others may have followed them by then: a next hop that never answers the content is tried again for other mail.
    await until('an end of the first', () => open().length === 0, LONGEST_WAIT + GRACE).catch(() => {});
    const failures = [
      ...hops.filter(({ connections }) => connections === 0).map(({ domain }) => `${domain} was never tried`),
      ...open().map(({ domain }) => `connections to ${domain} are never given up`),
      ...[...peaks]
        .filter(([, peak]) => peak > 2 * MOST_CONNECTIONS)
        .map(([{ domain }, peak]) => `${peak} connections at once to ${domain}`),
      ...hops
        .filter(({ mostTaken }) => mostTaken > MOST_TAKEN)
        .map(({ domain, mostTaken }) => `${mib(mostTaken)} of ${domain} were read on one connection`),
    ];
    const connections = hops.reduce((sum, hop) => sum + hop.connections, 0);
    return {
      ...NOTHING,
      ...{ failures, accepted, cases: { 'kinds of bad next hops': hops.length, 'connections to them': connections } },
    };
  },
};

const dnsCase: Case = {
  name: 'bad DNS',
  product: 'shared',
  grownOctets: SHARED_GROWTH,
  run: async (world, round) => {
    const domains = BAD_NAMES.map((name) => `r${round}.${name}.dns.test`);
    const recipients = domains.flatMap((domain) =>
      Array.from({ length: MAILS_A_NAME }, (_, i) => `dns${round}-${i}@${domain}`),
    );
    const accepted = await sendTo(world, recipients);
    const untried = async (): Promise<readonly string[]> => {
      const { entries } = await world.product.control.list({ limit: 1000 });
      // One of several is enough: the others wait for its site.
      const tried = new Set(entries.filter(({ reason }) => reason !== 'new').map(({ routingDomain }) => routingDomain));
      const waiting = new Set(entries.map(({ routingDomain }) => routingDomain));
      return domains.filter((domain) => waiting.has(domain) && !tried.has(domain));
    };
    await until('an answer for each', async () => (await untried()).length === 0, 2 * GRACE).catch(() => {});
    const failures = [
      ...new Set((await untried()).map((domain) => `the look-up of ${domain} has no end`)),
      ...recipients
        .filter((recipient) => world.sink.byRecipient.has(recipient))
        .map((recipient) => `mail for ${recipient} went where a lie led it`),
    ];
    return { ...NOTHING, failures, accepted, cases: { 'kinds of bad DNS': domains.length } };
  },
};

const DRIPPING = 1000;
const DEAF = 4;
/** Of those it must have stopped reading: so long nothing more was taken of any. */
const STOPPED = 3000;
const STOPS_WITHIN = 45_000;

const clientsCase: Case = {
  name: 'bad clients',
  product: 'shared',
  grownOctets: SHARED_GROWTH,
  run: async (world, round, seconds) => {
    const { port } = world;
    const dripping = await drippingClients(port, DRIPPING);
    const deaf = await deafClients(port, DEAF);
    try {
      const domain = `good${round % 2}.test`;
      const [cuts] = await Promise.all([cuttingClients(port, domain, 1), during(seconds)]);
      let [taken, since] = [0, 0];
      const hasStopped = (): boolean => {
        if (deaf.octets !== taken) [taken, since] = [deaf.octets, performance.now()];
        return performance.now() - since > STOPPED;
      };
      const stopped = await until('an end of reading', hasStopped, STOPS_WITHIN).catch(() => false);
      // Before those who wait are let go.
      const { open } = dripping;
      await until('what was complete', () => hasCome(world, cuts) === cuts.complete.length, 2000).catch(() => {});
      return {
        ...NOTHING,
        failures: [
          ...(stopped ? [] : ['clients that read no replies are read without end']),
          ...(open === DRIPPING ? [] : [`${DRIPPING - open} of ${DRIPPING} slow clients were hung up on`]),
          ...cuts.incomplete
            .filter((recipient) => world.sink.byRecipient.has(recipient))
            .map((recipient) => `mail that was cut off arrived: ${recipient}`),
        ],
        cases: {
          'clients of one octet a second': DRIPPING,
          'clients that read nothing': DEAF,
          'sessions cut off at an octet': cuts.sessions,
        },
        figures: {
          'octets said one by one': dripping.octets,
          'MiB taken of clients that read nothing': Math.round(deaf.octets / MIB),
        },
      };
    } finally {
      dripping.close();
      deaf.close();
    }
  },
};

function hasCome({ sink }: World, { complete }: Cuts): number {
  return complete.filter((recipient) => sink.byRecipient.has(recipient)).length;
}

const STALLED = 1000;
/** Just below what goes to a file. */
const STALLED_OCTETS = 255 * 1024;
/** Sockets, sessions and what the collector of garbage has not come to yet, beside the budget. */
const BESIDE_BUDGET = 128 * MIB;

/** Of the 60 that `world.ts` allows, some go until all of them are stalled. */
const STALLED_SECONDS = 20;

const stalledCase: Case = {
  name: 'clients stalled at 255 KiB',
  product: 'alone',
  grownOctets: 64 * MIB + BESIDE_BUDGET,
  grownPerWorker: 64 * MIB,
  run: async (world, _round, seconds) => {
    const clients = await stalledClients(world.port, {
      ...{ count: STALLED, octets: STALLED_OCTETS, recipient: 'stalled@good0.test' },
    });
    try {
      // Within the time that the product gives a client for a block of content.
      await during(Math.min(seconds, STALLED_SECONDS));
      const held = gaugeIn(await world.watch.metrics(), 'postrider_content_octets');
      const { open } = clients;
      const newcomer = await newcomerTo(world);
      return {
        ...NOTHING,
        failures: [
          ...(open === STALLED ? [] : [`${STALLED - open} of ${STALLED} stalled clients were hung up on`]),
          ...budgetFailures(world, held),
          ...(newcomer === 250 || newcomer === 452 ? [] : [`a new client was answered ${newcomer}`]),
        ],
        cases: { 'clients stalled at 255 KiB': clients.stalled },
        figures: { 'MiB of content in memory, by 1,000 stalled clients': Math.round(held / MIB) },
      };
    } finally {
      clients.close();
    }
  },
};

/** A budget of which nothing is taken by so much content is not counted. */
function budgetFailures({ budget, workers }: World, held: number): readonly string[] {
  if (held > budget * workers) return [`${mib(held)} of content in memory, of ${mib(budget * workers)}`];
  return held < MIB ? [`only ${held} octets of so much content are counted`] : [];
}

async function newcomerTo({ port }: World): Promise<number> {
  const client = await LineClient.greeted(port);
  const replies = await client.send('new@client.test', ['new@good0.test'], 'Subject: new\r\n\r\nNew.\r\n');
  client.close();
  return replies.at(-1)?.code ?? 0;
}

const DUE_WITHIN = 90_000;

const slowReceiversCase: Case = {
  name: 'receivers of one octet a second',
  product: 'alone',
  // Of the worker and of the queue manager, which keeps what it has just accepted.
  // A quarter of a gigabyte is accepted on the way, and its garbage is collected late.
  grownOctets: 2 * 64 * MIB + 2.5 * BESIDE_BUDGET,
  run: async (world, round, seconds) => {
    const ones = await sendToSlow(world, { round, count: SLOW_RECEIVERS });
    const { open, noted, accepted } = ones;
    await until('all of them', () => noted() >= SLOW_RECEIVERS, DUE_WITHIN).catch(() => {});
    // A quarter of a gigabyte that comes, and goes out all at once, is work for the queue manager with any receivers.
    await world.watch.beginAnew();
    await during(seconds);
    const text = await world.watch.metrics();
    const held = gaugeIn(text, 'postrider_content_out_octets');
    await until('an end of all', () => noted() === 0, LONGEST_WAIT + GRACE).catch(() => {});
    const { most } = ones;
    return {
      ...NOTHING,
      accepted,
      failures: [
        ...(accepted.length === SLOW_RECEIVERS ? [] : [`only ${accepted.length} messages for them were accepted`]),
        ...(most >= ENOUGH_SLOW ? [] : [`only ${most} of ${SLOW_RECEIVERS} slow receivers were connected to at once`]),
        ...(open() === 0 ? [] : [`${open()} connections to slow receivers are never given up`]),
        ...(held > world.budget * world.workers ? [`${mib(held)} of content in memory`] : []),
      ],
      cases: { 'receivers of one octet a second, at once': most },
      figures: { 'MiB of content in memory, by 1,000 slow receivers': Math.round(held / MIB) },
    };
  },
};

interface SlowOnes {
  readonly accepted: readonly string[];
  open(): number;
  /** The same, which is noted. */
  noted(): number;
  /** That was noted. */
  readonly most: number;
}

/** Mail for so many receivers of one octet a second, each a site of its own, all due at once. */
async function sendToSlow(world: World, { round, count }: { round: number; count: number }): Promise<SlowOnes> {
  const { slow, product } = world;
  const open = (): number => openAtOnce(slow.port);
  const body = `${'y'.repeat(70)}\r\n`.repeat(Math.floor((STALLED_OCTETS - 1024) / 72));
  const recipients = Array.from({ length: count }, (_, i) => `slow@d${i}-${round}.slow.well.test`);
  const target = { recipient: 'slow@*' };
  // Otherwise the first would have been given up when the last is accepted.
  await product.control.suspend({ target });
  const accepted = await sendTo(world, recipients, body);
  await product.control.resume({ target });
  let most = 0;
  return {
    ...{ accepted, open },
    noted: () => {
      const now = open();
      most = Math.max(most, now);
      return now;
    },
    get most() {
      return most;
    },
  };
}

const CONNECTIONS = 100;
/** A quarter of them is for receivers that are known to be quick. */
const FOR_SLOW = 0.75 * CONNECTIONS;

const fullCase: Case = {
  name: 'more slow receivers than connections',
  product: 'alone',
  grownOctets: SHARED_GROWTH,
  connections: CONNECTIONS,
  run: async (world, round, seconds) => {
    const slow = await sendToSlow(world, { round, count: 4 * CONNECTIONS });
    await until('as many as there may be', () => slow.noted() >= FOR_SLOW, DUE_WITHIN).catch(() => {});
    await world.watch.beginAnew();
    await Promise.all([
      during(seconds),
      until('one more', () => slow.noted() > FOR_SLOW, 1000 * seconds).catch(() => {}),
    ]);
    const { most, accepted } = slow;
    return {
      ...NOTHING,
      accepted,
      failures:
        most === FOR_SLOW ? [] : [`${most} connections to slow receivers at once, of ${FOR_SLOW} that they may have`],
      cases: { 'slow receivers that share the connections there are': accepted.length },
    };
  },
};

export const CASES: readonly Case[] = [hopsCase, dnsCase, clientsCase, stalledCase, slowReceiversCase, fullCase];
