/**
 * A store that can no longer be trusted: its writes or its fsync fail, or a commit does not settle. The working process
 * ends and says why, once; the parent starts it again; and what was accepted is there.
 */

import { join } from 'node:path';
import { type Plant, type SuiteContext } from '../suite.ts';
import { Chance } from './chance.ts';
import { type Findings, type Scene } from './scene.ts';
import { inject, type Injection, withoutTracer } from './tracer.ts';
import { Traffic } from './traffic.ts';

/** So that a commit which hangs need not be waited for so long in a short run. */
const IMPATIENT: Plant = {
  file: 'spool/lmdb/commit.js',
  find: 'const MAX_COMMIT_SECONDS = 30;',
  replace: 'const MAX_COMMIT_SECONDS = 2;',
};
const ROUNDS = { short: 2, fault: 1, long: 20 } as const;
/** The parent waits longer before each start of a process that dies again and again: a new parent, then. */
const DEATHS_OF_ONE_PARENT = 4;
/** Failing calls behind the first of a thread: in the middle of the pages of a commit, too. */
const LATEST = 12;
const FAILED = /SpoolError: .*(?:commit failed|could not be made|not settled)/;
const HUNG = /SpoolError: a commit has not settled for \d+ s/;

type Way = Pick<Injection, 'calls' | 'what'> & { readonly name: string };

const WAYS: readonly Way[] = [
  { name: 'EIO on writing pages of the store', calls: ['pwrite64', 'writev', 'pwritev'], what: 'error=EIO' },
  { name: 'EIO on fsync of the store', calls: ['fdatasync', 'fsync'], what: 'error=EIO' },
  { name: 'an fsync of the store that takes a minute', calls: ['fdatasync'], what: 'delay_enter=60000000' },
];

/** As the kernel reports it. */
export const brokenStore: Scene = {
  name: 'a store that fails',
  cannot: withoutTracer,
  async play(context, findings) {
    if (context.length === 'fault') return;
    const chance = new Chance(context.seed);
    const deaths = Array.from({ length: ROUNDS[context.length] }, () => WAYS).flat();
    for (let first = 0; first < deaths.length; first += DEATHS_OF_ONE_PARENT)
      await lives(context, findings, async (traffic) => {
        for (const way of deaths.slice(first, first + DEATHS_OF_ONE_PARENT))
          await dies(traffic, way, { chance, findings });
      });
  },
};

/** The same where no system call can be made to fail: as the library reports it. */
export const plantedBrokenStore: Scene = {
  name: 'a store that fails, as its library tells',
  async play(context, findings) {
    await lives(context, findings, async (traffic) => {
      for (const code of ['EIO', 'HANG'] as const) {
        const pid = await traffic.pid();
        const from = performance.now();
        await traffic.fail({ call: 'commit', path: 'store', code });
        await traffic.diesAndReturns(from, pid, code === 'HANG' ? HUNG : FAILED, () => traffic.heal());
        await traffic.flows(`after ${code} in a commit`);
        findings.tried(`${code} in a commit`);
      }
    });
  },
};

async function lives(
  context: SuiteContext,
  findings: Findings,
  use: (traffic: Traffic) => Promise<void>,
): Promise<void> {
  const plants = context.length === 'long' ? [] : [IMPATIENT];
  const traffic = await Traffic.start({ context, plants });
  try {
    await traffic.flows('at first');
    await use(traffic);
    findings.failed('a store that fails', ...(await traffic.reckon()));
    findings.tried('messages accepted', traffic.source.countOf('accepted'));
  } finally {
    await traffic.close();
  }
}

async function dies(
  traffic: Traffic,
  { name, calls, what }: Way,
  { chance, findings }: { readonly chance: Chance; readonly findings: Findings },
): Promise<void> {
  const pid = await traffic.pid();
  const from = performance.now();
  const path = join(traffic.product.spool, 'store', 'data.mdb');
  const injection = await inject(pid, { calls, what, path, from: 1 + chance.below(LATEST) });
  try {
    await traffic.diesAndReturns(from, pid, what.startsWith('delay') ? HUNG : FAILED);
  } finally {
    await injection.end();
  }
  await traffic.flows(`after ${name}`);
  findings.tried(name);
}
