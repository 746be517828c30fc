/**
 * Power loss: the built product is recorded while it works, down to each write and fsync, and then the power is cut at
 * every moment of it: whatever a disk may have by then is opened and held against what had been answered.
 */

import { accessSync, constants, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Length, type Suite, type SuiteContext, type SuiteResult } from '../suite.ts';
import { ALL_KEPT, Disk, type Step } from './disk.ts';
import { drawsOf, sample } from './draw.ts';
import { FAULTS } from './faults.ts';
import { openAll } from './openers.ts';
import { lookInto } from './opening.ts';
import { cutsOf, type Recording, readSteps } from './recording.ts';
import { differences } from './same-disk.ts';
import { serve } from './served.ts';
import { straceMissing } from './strace.ts';
import { type Ends, record, startEnds } from './workload.ts';

export const powerSuite: Suite = {
  name: 'power',
  about: 'every disk that a power cut may leave, at every write and fsync of a run',
  faults: FAULTS,
  run,
};

/** Subsets at each cut beside the two extremes. */
const SUBSETS: Readonly<Record<Length, number>> = { fault: 1, short: 1, long: 8 };
/** Disks drawn at most; undefined: all. */
const MOST: Readonly<Record<Length, number | undefined>> = { fault: undefined, short: 400, long: undefined };
/** Disks that are served. */
const SERVED: Readonly<Record<Length, number>> = { fault: 0, short: 2, long: 20 };
const ENOUGH: Readonly<Record<Length, number>> = { fault: 1, short: 20, long: 100 };
/** They wait for the disk more than they compute. */
const PROCESSES = 4;

const MEMORY = '/dev/shm';
/** For one disk of each process, and far more. */
const ROOM = 512 * 1024 ** 2;

async function run(context: SuiteContext): Promise<SuiteResult> {
  const missing = straceMissing();
  if (missing !== undefined) return { cases: {}, failures: [], figures: {}, skipped: [missing] };
  const folder = await testFolder('power');
  const disks = mkdtempSync(join(inMemory(), 'power-'));
  const ends = await startEnds();
  try {
    return await attack(context, ends, { folder, disks });
  } finally {
    await ends.sink.close();
    rmSync(disks, { recursive: true, force: true });
    await removeFolder(folder);
  }
}

interface Places {
  readonly folder: string;
  readonly disks: string;
}

async function attack(context: SuiteContext, ends: Ends, { folder, disks }: Places): Promise<SuiteResult> {
  const { length, seed, tell, fault } = context;
  const begun = performance.now();
  const recorded = await record(folder, length, fault, ends);
  const steps = readSteps(recorded);
  const { cuts, answers } = cutsOf(steps);
  tell(`recorded ${steps.length} steps, ${cuts.length} cuts, ${answers.length} messages answered with 250`);
  const unlike = replayed(recorded.root, steps);
  const recording: Recording = { ...recorded, events: await eventsOf(recorded) };
  const file = join(folder, 'recording.json');
  writeFileSync(file, JSON.stringify(recording));
  const all = drawsOf(cuts, SUBSETS[length], seed);
  const draws = sample(all, MOST[length] ?? all.length, seed);
  const opened = await openAll({ count: PROCESSES, file, folder: disks, enough: ENOUGH[length], tell }, draws);
  tell(`opened ${opened.opened} disks`);
  const served = sample(
    draws.filter(({ cut }) => cut.answered > 0),
    SERVED[length],
    seed + 1,
  );
  const broken: string[] = [];
  for (const [i, draw] of served.entries()) {
    const place = join(folder, `served${i}`);
    broken.push(...(await serve({ recording, steps, answers, folder: place }, draw)));
  }
  return {
    cases: {
      ...{ 'cut points': cuts.length, 'disks drawn': draws.length, 'different disks opened': opened.opened },
      'disks served until everything had arrived': served.length,
    },
    failures: [...unlike, ...opened.failures, ...broken],
    figures: {
      'messages answered with 250': answers.length,
      'steps recorded': steps.length,
      seconds: Math.round((performance.now() - begun) / 1000),
    },
    skipped: [],
  };
}

/** All that was recorded, played once more, must give the folder as it is: else something went unseen. */
function replayed(root: string, steps: readonly Step[]): readonly string[] {
  const disk = new Disk(root);
  for (const step of steps) disk.step(step);
  return differences(disk.image(ALL_KEPT), root).map((text) => `the recording is not whole: ${text}`);
}

/** What the log of the recorded run says, and what its outbox would have added. */
async function eventsOf({ root, mails }: Pick<Recording, 'root' | 'mails'>): Promise<Recording['events']> {
  const { log, outbox } = await lookInto(join(root, 'spool'), mails);
  return Object.fromEntries([...log, ...outbox].map(({ sequence, n, line }) => [`${sequence}/${n}`, line]));
}

/** In memory where there is room: the disks that we make ourselves need not survive anything. */
function inMemory(): string {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ROOM ? MEMORY : '/tmp';
  } catch {
    // Not on this system, or not for us.
    return '/tmp';
  }
}
