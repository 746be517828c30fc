/**
 * A store that can no longer be trusted: its writes or its fsync fail, or a commit does not settle. The working process
 * ends and says why, once; the parent starts it again; and what was accepted is there.
 */

import { join } from 'node:path';
import { until } from '../../test/lib/wait.ts';
import { type Plant, type SuiteContext } from '../suite.ts';
import { Chance } from '../chance.ts';
import { type Findings, type Scene } from './scene.ts';
import { inject, type Injection, isDead, withoutTracer } from './tracer.ts';
import { Traffic } from './traffic.ts';

/** So that a commit which hangs need not be waited for so long in a short run. */
const IMPATIENT: Plant = {
  file: 'spool/lmdb/commit.js',
  find: 'const MAX_COMMIT_SECONDS = 30;',
  replace: 'const MAX_COMMIT_SECONDS = 2;',
};
const ROUNDS = { short: 1, fault: 1, long: 20 } as const;
/** The parent waits longer before each start of a process that dies again and again: a new parent, then. */
const DEATHS_OF_ONE_PARENT = 4;
/** Failing calls behind the first of a thread: in the middle of the pages of a commit, too. */
const LATEST = 12;
const FAILED = /: a commit (?:failed|could not be made|has not settled)/;
/** The library may not survive to hand the failure of a write over (it puts it down in too small a buffer); its parent tells. */
const FAILED_OR_ABORTED = /: a commit (?:failed|has not settled)|signal=SIGABRT/;
const HUNG = /: a commit has not settled for \d+ s/;

type Way = Pick<Injection, 'calls' | 'what'> & { readonly name: string; readonly why: RegExp };

const WAYS: readonly Way[] = [
  {
    name: 'EIO on writing pages of the store',
    calls: ['pwrite64', 'writev', 'pwritev'],
    what: 'error=EIO',
    why: FAILED_OR_ABORTED,
  },
  { name: 'EIO on fsync of the store', calls: ['fdatasync', 'fsync'], what: 'error=EIO', why: FAILED },
  { name: 'an fsync of the store that takes a minute', calls: ['fdatasync'], what: 'delay_enter=60000000', why: HUNG },
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
    // The kernel's own failures say more, and the time of a short run is short.
    if (context.length === 'short' && withoutTracer() === undefined) return;
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
  { name, calls, what, why }: Way,
  { chance, findings }: { readonly chance: Chance; readonly findings: Findings },
): Promise<void> {
  const pid = await traffic.pid();
  const from = performance.now();
  const path = join(traffic.product.spool, 'store', 'data.mdb');
  const injection = await inject(pid, { calls, what, path, from: 1 + chance.whole(0, LATEST) });
  // The call hangs on: it must not keep the process.
  const ended = async (): Promise<void> => {
    await until('the process to be gone', () => isDead(pid)).finally(() => injection.end());
  };
  try {
    const words = await traffic.diesAndReturns(from, pid, why, ended);
    if (words.includes('SIGABRT')) findings.tried('… that the library did not survive');
  } finally {
    await injection.end();
  }
  await traffic.flows(`after ${name}`);
  findings.tried(name);
}
