/**
 * Failures that pass: a full disk, too many open files, a file that cannot be written. The process lives through all of
 * them; what needs what fails is refused with the reply that belongs to it, what does not goes on, and when the failure
 * is over everything goes on.
 */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../test/lib/wait.ts';
import { type SuiteContext } from '../suite.ts';
import { Chance } from '../chance.ts';
import { type FaultyCall } from './faulty-calls.ts';
import { numberOf } from './mails.ts';
import { type Findings, type Scene } from './scene.ts';
import { Traffic } from './traffic.ts';

interface Failure {
  readonly name: string;
  readonly calls: readonly FaultyCall[];
  /** What must be refused while it lasts: all mail, what goes to files, nothing. */
  readonly refuses: 'all' | 'large' | 'nothing';
  /** Codes of those refusals. */
  readonly codes: readonly number[];
}

const STORE = 'store';
const INCOMING = '/incoming/';
const CONTENT = '/content/';
const LOG = '/events/.*jsonl$';

const FAILURES: readonly Failure[] = [
  of('ENOSPC in a commit', [{ call: 'commit', path: STORE, code: 'ENOSPC' }], 'all', 452),
  of('EMFILE on opening a content file', [{ call: 'open', path: INCOMING, code: 'EMFILE' }], 'large', 451),
  of('ENOSPC on opening a content file', [{ call: 'open', path: INCOMING, code: 'ENOSPC' }], 'large', 452),
  of('ENOSPC on writing a content file', [{ call: 'write', path: INCOMING, code: 'ENOSPC' }], 'large', 452),
  of('EIO on writing a content file', [{ call: 'write', path: INCOMING, code: 'EIO' }], 'large', 451),
  of('EIO on fsync of a content file', [{ call: 'sync', path: INCOMING, code: 'EIO' }], 'large', 451),
  of('EIO on close of a content file', [{ call: 'close', path: INCOMING, code: 'EIO' }], 'large', 451),
  of('EIO on rename of a content file', [{ call: 'rename', path: INCOMING, code: 'EIO' }], 'large', 452, 451),
  of('EIO on fsync of the folder of content', [{ call: 'sync', path: CONTENT, code: 'EIO' }], 'large', 452, 451),
  of('EMFILE on opening the folder of content', [{ call: 'open', path: CONTENT, code: 'EMFILE' }], 'large', 452, 451),
  of('ENOSPC on writing the event log', [{ call: 'write', path: LOG, code: 'ENOSPC' }], 'nothing'),
  of('EIO on fsync of the event log', [{ call: 'sync', path: LOG, code: 'EIO' }], 'nothing'),
  of(
    'EIO on close of the event log',
    [
      { call: 'close', path: LOG, code: 'EIO' },
      { call: 'write', path: LOG, code: 'EIO' },
    ],
    'nothing',
  ),
  of(
    'EMFILE on opening the event log',
    [
      { call: 'open', path: LOG, code: 'EMFILE' },
      { call: 'write', path: LOG, code: 'EIO' },
    ],
    'nothing',
  ),
];

/** In a run that looks for planted faults: what shows them. */
const TELLING = new Set(['ENOSPC in a commit', 'EIO on fsync of a content file', 'ENOSPC on writing the event log']);
/** Deliveries that must be seen while a failure lasts. */
const GOING_ON = 5;
const REFUSALS = 5;
const AFTER_STEP = 100;
const IN_SHORT = 4;
/** Of planted faults some show only where an outcome is on its way to the store: more than once. */
const ROUNDS = { short: 1, fault: 3, long: 20 } as const;

export const passing: Scene = {
  name: 'failures that pass',
  async play(context, findings) {
    const traffic = await Traffic.start({ context });
    try {
      await traffic.flows('at first');
      const pid = await traffic.pid();
      for (let round = 0; round < ROUNDS[context.length]; round += 1)
        for (const failure of chosen(context)) await lastsAndPasses(traffic, failure, { context, findings });
      if ((await traffic.pid()) !== pid) findings.failed(passing.name, 'the process was started again');
      if (traffic.lost > 0) findings.failed(passing.name, `${traffic.lost} sessions were lost`);
      findings.failed(passing.name, ...(await traffic.reckon()));
      findings.tried('messages accepted', traffic.source.countOf('accepted'));
    } finally {
      await traffic.close();
    }
  },
};

/** The limit of the system itself, set below what is open. */
export const descriptors: Scene = {
  name: 'no file descriptors left',
  cannot: withoutPrlimit,
  async play(context, findings) {
    if (context.length === 'fault') return;
    const traffic = await Traffic.start({ context });
    try {
      await traffic.flows('at first');
      const pid = await traffic.pid();
      const before = limitOf(pid);
      for (let round = 0; round < ROUNDS[context.length]; round += 1) {
        limit(pid, String(openFiles(pid)));
        await refuses(traffic, of('EMFILE', [], 'large', 451, 452), traffic.mails.made);
        limit(pid, before);
        await traffic.flows('with descriptors again');
        findings.tried('times without file descriptors');
      }
      if ((await traffic.pid()) !== pid) findings.failed(descriptors.name, 'the process was started again');
      findings.failed(descriptors.name, ...(await traffic.reckon()));
      findings.tried('messages accepted', traffic.source.countOf('accepted'));
    } finally {
      await traffic.close();
    }
  },
};

function of(
  name: string,
  calls: readonly FaultyCall[],
  refuses: Failure['refuses'],
  ...codes: readonly number[]
): Failure {
  return { name, calls, refuses, codes };
}

/** A short run plays as many as it has time for. */
function chosen({ length, seed }: SuiteContext): readonly Failure[] {
  if (length === 'long') return FAILURES;
  if (length === 'fault') return FAILURES.filter(({ name }) => TELLING.has(name));
  const chance = new Chance(seed);
  const [store, ...others] = FAILURES;
  const drawn = others.map((failure) => ({ failure, at: chance.next() })).sort((a, b) => a.at - b.at);
  return [...(store === undefined ? [] : [store]), ...drawn.slice(0, IN_SHORT).map(({ failure }) => failure)];
}

async function lastsAndPasses(
  traffic: Traffic,
  failure: Failure,
  { context, findings }: { readonly context: SuiteContext; readonly findings: Findings },
): Promise<void> {
  context.tell(failure.name);
  const hits = traffic.hits;
  await traffic.fail(...failure.calls);
  const last = traffic.mails.made;
  const delivered = traffic.sink.copies.length;
  await until(`a call that fails (${failure.name})`, () => traffic.hits > hits, traffic.patience);
  await refuses(traffic, failure, last);
  const more = failure.refuses === 'all' ? 0 : GOING_ON;
  await until(
    `deliveries during ${failure.name}`,
    () => traffic.sink.copies.length >= delivered + more,
    traffic.patience,
  );
  await pause(AFTER_STEP);
  findings.failed(failure.name, ...taken(traffic, failure, last));
  await traffic.heal();
  await traffic.flows(`after ${failure.name}`);
  findings.tried(failure.name);
}

async function refuses(traffic: Traffic, failure: Failure, last: number): Promise<void> {
  const { name, refuses, codes } = failure;
  if (refuses === 'nothing') return;
  const least = refuses === 'all' ? REFUSALS : 2;
  const refused = (): readonly { readonly code: number }[] =>
    [...traffic.source.fates].flatMap(([to, fate]) => (numberOf(to) > last && fate.kind === 'refused' ? [fate] : []));
  const isWrong = (): boolean => taken(traffic, failure, last).length > 0;
  await until(`refusals during ${name}`, () => refused().length >= least || isWrong(), traffic.patience);
  const other = refused().find(({ code }) => !codes.includes(code));
  if (other !== undefined)
    throw new Error(`refused with ${other.code} instead of ${codes.join(' or ')} during ${name}`);
}

/** What was begun and accepted while it cannot have been stored. */
function taken(traffic: Traffic, { refuses }: Failure, last: number): readonly string[] {
  if (refuses === 'nothing') return [];
  const begun = traffic.source.accepted.filter((to) => numberOf(to) > last);
  const wrong = begun.filter((to) => refuses === 'all' || traffic.mails.isLarge(to));
  return wrong.length === 0 ? [] : [`${wrong.length} accepted although they could not be stored: ${wrong[0]}`];
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function limitOf(pid: number): string {
  return prlimit('--pid', String(pid), '--nofile', '--raw', '--noheadings', '--output', 'SOFT').trim();
}

/** The soft limit; what is open stays open. */
function limit(pid: number, files: string): void {
  prlimit('--pid', String(pid), `--nofile=${files}:`);
}

function prlimit(...args: readonly string[]): string {
  return execFileSync('prlimit', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function withoutPrlimit(): string | undefined {
  try {
    prlimit('--version');
    return undefined;
  } catch {
    return 'prlimit is not installed';
  }
}
