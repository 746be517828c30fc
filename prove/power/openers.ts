/** Processes that open what power cuts leave, each a share of the draws. One that crashes is a failure and is replaced. */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type Draw, type Judged, wordsFor } from './draw.ts';

export interface Opened {
  readonly opened: number;
  /** The same disk with the same promises as one before. */
  readonly same: number;
  readonly failures: readonly string[];
}

export interface Openers {
  readonly count: number;
  /** The recording as a file. */
  readonly file: string;
  /** For the disks; in memory if there is room. */
  readonly folder: string;
  /** More failures than these are not looked for. */
  readonly enough: number;
  /** Told of each failure when it is found, and of progress now and then. */
  readonly tell: (text: string) => void;
}

/** For one disk: far more than it takes, so that one that hangs is told of. */
const PATIENCE = 60_000;
/** A process keeps an address space for each store it has had open; another takes over after so many. */
const DRAWS_OF_ONE = 1000;

const PROGRESS = 500;

const CHILD = join(import.meta.dirname, 'child.ts');

export async function openAll(openers: Openers, draws: readonly Draw[]): Promise<Opened> {
  const shares = Array.from({ length: openers.count }, (_, i) => draws.filter((__, n) => n % openers.count === i));
  const results = { opened: 0, same: 0, failures: [] as string[] };
  await Promise.all(
    shares.map((share, i) => openShare({ ...openers, folder: join(openers.folder, String(i)) }, share, results)),
  );
  return results;
}

interface Results {
  opened: number;
  same: number;
  readonly failures: string[];
}

async function openShare(openers: Openers, draws: readonly Draw[], results: Results): Promise<void> {
  mkdirSync(openers.folder, { recursive: true });
  for (let next = 0; next < draws.length;) {
    next += await openSome(openers, draws.slice(next, next + DRAWS_OF_ONE), results);
    if (results.failures.length >= openers.enough) return;
  }
}

/** How many it has got through, the one at which it crashed among them. */
async function openSome(
  { file, folder, enough, tell }: Openers,
  draws: readonly Draw[],
  results: Results,
): Promise<number> {
  const child = fork(CHILD, [file, folder], { execArgv: [], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  const answers = answersOf(child);
  let done = 0;
  try {
    await answers.next();
    for (const draw of draws) {
      child.send(draw);
      const answer = await answers.next();
      done += 1;
      const failures = take(answer, results) ?? [`the process that opened it ${answers.end()}`];
      for (const failure of failures) tell(`FAILED ${wordsFor(draw)}: ${failure}`);
      results.failures.push(...failures.map((failure) => `${wordsFor(draw)}: ${failure}`));
      if (answer === undefined || results.failures.length >= enough) return done;
      if ((results.opened + results.same) % PROGRESS === 0) tell(`${results.opened} disks opened`);
    }
    return done;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Undefined: there was no answer. */
function take(answer: Judged | undefined, results: Results): readonly string[] | undefined {
  if (answer === undefined) return undefined;
  if (answer.failures === undefined) results.same += 1;
  else results.opened += 1;
  return answer.failures ?? [];
}

interface Answers {
  /** Undefined: it has ended, or says nothing any more. */
  next(): Promise<Judged | undefined>;
  end(): string;
}

function answersOf(child: ChildProcess): Answers {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-1000)));
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  child.once('exit', () => process.off('exit', stop));
  return {
    next: () => nextAnswer(child),
    end: () => `${hasEnded(child) ? `ended with ${child.exitCode ?? child.signalCode}` : 'hangs'}: ${said}`,
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function nextAnswer(child: ChildProcess): Promise<Judged | undefined> {
  const { promise, resolve } = Promise.withResolvers<Judged | undefined>();
  const answered = (answer: Judged): void => resolve(answer);
  const ended = (): void => resolve(undefined);
  const timer = setTimeout(ended, PATIENCE);
  child.on('message', answered);
  child.on('exit', ended);
  if (hasEnded(child)) ended();
  return promise.finally(() => {
    clearTimeout(timer);
    child.off('message', answered);
    child.off('exit', ended);
  });
}
