/**
 * Limits of one process: many idle connections, and a queue that is far larger than memory may be.
 *
 * The same product is run with a thousand messages and with very many, each time from a cold cache, with half of the
 * sites refusing, until as many attempts have come to a reply while new mail came; what the second takes more is what a
 * queue costs.
 */

import { type Suite, type SuiteContext, type SuiteResult } from '../suite.ts';
import { FAULTS, type ShownBy } from './faults.ts';
import { runIdle, whyTooMany, type IdleRun } from './idle-run.ts';
import { judgeIdle, judgeMountain, mib } from './judge.ts';
import { type Mountain } from './mountain.ts';
import { type MountainRun, runMountain } from './mountain-run.ts';
import { type Arrived } from './receivers.ts';

const FEW = 1000;

interface Scale {
  readonly connections: number;
  readonly rounds: number;
  readonly mountains: readonly Mountain[];
  readonly sites: number;
  /** MiB; the product takes 32 by itself, which twenty thousand messages do not fill. */
  readonly budget: number;
  readonly attempts: number;
}

const SHAPE = { largest: 40, overdue: 30, campaigns: 1000 } as const;
const SMALL = { rounds: 3, sites: 100, budget: 4, attempts: 1500 } as const;

const SCALES: Readonly<Record<'short' | 'long' | ShownBy, Scale>> = {
  short: {
    ...SMALL,
    budget: 8,
    attempts: 4000,
    connections: 1000,
    mountains: [{ ...SHAPE, messages: 20_000, domains: 2000 }],
  },
  long: {
    ...{ connections: 5000, rounds: 4, sites: 5000, budget: 32, attempts: 75_000 },
    mountains: [
      { ...SHAPE, messages: 1_000_000, domains: 100_000 },
      { ...SHAPE, messages: 1_000_000, domains: 1_000_000, largest: 0 },
    ],
  },
  idle: { ...SMALL, connections: 500, mountains: [] },
  deep: {
    ...SMALL,
    connections: 0,
    mountains: [{ messages: 40_000, domains: 200, largest: 0, overdue: 30, campaigns: 1 }],
  },
  wide: { ...SMALL, connections: 0, mountains: [{ ...SHAPE, messages: 60_000, domains: 60_000, largest: 0 }] },
};

export const limitsSuite: Suite = {
  name: 'limits',
  about: 'limits of one process: idle connections, a queue of a million',
  run,
  faults: FAULTS,
};

async function run(context: SuiteContext): Promise<SuiteResult> {
  const found: Found = { cases: {}, figures: {}, failures: [], skipped: [] };
  const scale = scaleOf(context);
  for (const part of [idle, mountains])
    try {
      await part(context, scale, found);
    } catch (error) {
      // What the other part finds is not lost for that.
      found.failures.push(error instanceof Error ? error.message : String(error));
    }
  return found;
}

function scaleOf({ length, fault }: SuiteContext): Scale {
  if (length !== 'fault') return SCALES[length];
  return SCALES[FAULTS.find(({ name }) => name === fault?.name)?.shownBy ?? 'short'];
}

interface Found {
  readonly cases: Record<string, number>;
  readonly figures: Record<string, number | string>;
  readonly failures: string[];
  readonly skipped: string[];
}

async function idle({ fault, tell }: SuiteContext, { connections, rounds }: Scale, found: Found): Promise<void> {
  if (connections === 0) return;
  const why = whyTooMany(connections);
  if (why !== undefined) return void found.skipped.push(why);
  const run = await runIdle({ connections, rounds, plants: fault?.plants ?? [], tell });
  found.failures.push(...judgeIdle(run));
  found.cases['idle connections'] = connections * rounds;
  Object.assign(found.figures, idleFigures(run));
}

function idleFigures({ connections, anonymousBefore, anonymousMost, inUseOpen, inUseAfter }: IdleRun) {
  const each = (octets: number): number => Math.round((octets / connections / 1024) * 10) / 10;
  return {
    'MiB anonymous without connections': mib(anonymousBefore),
    [`MiB anonymous with ${connections} connections`]: mib(anonymousMost),
    'KiB anonymous for a connection': each(anonymousMost - anonymousBefore),
    'KiB of heap for a connection': each(inUseOpen - (inUseAfter.at(-1) ?? inUseOpen)),
  };
}

async function mountains({ fault, tell }: SuiteContext, scale: Scale, found: Found): Promise<void> {
  const { mountains, sites, budget, attempts } = scale;
  const options = { sites, budget, attempts, plants: fault?.plants ?? [], tell };
  for (const mountain of mountains) {
    const few = await runMountain({ ...options, mountain: { ...mountain, messages: FEW } });
    const many = await runMountain({ ...options, mountain });
    found.failures.push(...judgeMountain(few, many));
    found.cases[`queued messages over ${mountain.domains} domains`] = mountain.messages;
    for (const run of [few, many]) Object.assign(found.figures, mountainFigures(run, mountain));
  }
}

/** From the first to the last, whatever the suite was doing meanwhile. */
function perSecond({ delivered, firstAt = 0, lastAt = firstAt }: Arrived): number {
  return lastAt > firstAt ? Math.round((delivered / (lastAt - firstAt)) * 1000) : 0;
}

function mountainFigures(run: MountainRun, { domains }: Mountain): Record<string, number | string> {
  const { messages, fromDisk, startMs, firstDeliveryMs, listMs, pageMs, arrived, traffic } = run;
  const most = (figure: 'waitedMost' | 'workedMost'): number =>
    Math.round(Math.max(...[...run.threads.values()].map((thread) => thread[figure])));
  const figures = {
    'ms to start': `${Math.round(startMs)}${fromDisk ? '' : ' (the cache was warm)'}`,
    'ms to the first delivery': Math.round(firstDeliveryMs),
    'ms for `queue list`': Math.round(listMs),
    'ms for a page of a thousand entries': Math.round(pageMs),
    'messages delivered each second': perSecond(arrived),
    'messages delivered': arrived.delivered,
    'messages taken meanwhile': traffic.accepted,
    'recipients put off by a reply': arrived.refused,
    'MiB anonymous at most': mib(run.anonymousMost),
    'MiB of heaps in use': mib(run.inUse),
    'entries in memory at most': run.heldMost,
    'MiB of mapped files at most': mib(run.filesMost),
    'ms of work between two turns, at most': most('workedMost'),
    'ms between two turns, at most': most('waitedMost'),
    'ms to an answer, at most': Math.round(run.answerMost),
    's to write it': Math.round(run.filledMs / 1000),
  };
  const prefix = `${messages} over ${domains}: `;
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}
