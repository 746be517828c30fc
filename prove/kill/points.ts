/**
 * The named points at which the product is killed: statements laid over its compiled text.
 *
 * `@name` in a text stands for the statement that ends the process there when the point is armed.
 */

import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Plant } from '../suite.ts';
import { type Recorded, type Stall } from './judge.ts';

/**
 * As in `points-load.mjs`: threads that give signs of life, behind them since when a commit is under way and how many
 * have begun; how often a thread gives one, and what a commit takes on a quiet machine, in milliseconds.
 */
const THREADS = 62;
const UNDER_WAY = 62;
const COMMITS = 63;
const BEATS = 64;
const BEAT = 5;
const QUICK_COMMIT = 2;
/** What the committer has been given is recorded by the commit that begins next. If a second has begun, that one is over. */
const MAX_COMMITS = 1;

type Text = readonly [file: string, find: string, replace: string];

const COMMIT = 'spool/lmdb/commit.js';
const CONTENT_FILE = 'receive/content-file.js';
const CONTENT_FILES = 'spool/lmdb/content-files.js';
const ATTEMPTS = 'runtime/queue-manager/attempts.js';
const TELLER = 'runtime/queue-manager/teller.js';
const OUTBOX = 'runtime/queue-manager/outbox-writer.js';
const RELOAD = 'runtime/reload.js';
const MANAGER = 'runtime/queue-manager-thread.js';

const TEXTS: readonly Text[] = [
  [
    COMMIT,
    "await store.write(plan.writes, group.some(bringsMail) ? 'adding' : 'ending');",
    "await (@commit:before, plan.files.length > 0 && @commit:before-unlink, process.prove.commit(() => store.write(plan.writes, group.some(bringsMail) ? 'adding' : 'ending')));",
  ],
  [
    COMMIT,
    'planner.adopt(plan);',
    `@commit:after;
     if (group.some(({ change }) => change.kind === 'settle' && change.batch.told.length > 0)) @commit:of-report;
     planner.adopt(plan);`,
  ],
  [
    'runtime/queue-manager/intake.js',
    'answer(result, kept && keeper !== undefined);',
    '@accept:before-answer; answer(result, kept && keeper !== undefined); @accept:answered;',
  ],
  [
    ATTEMPTS,
    'const { action, facts, content } = inFlight;',
    'const { action, facts, content } = inFlight; process.prove.heard(facts.entry.recipients, report.outcomes); @removal:outcome;',
  ],
  [
    ATTEMPTS,
    'this.#context.settler.settle(part).then(() => {',
    'this.#context.settler.settle(part).then(() => { @removal:settled;',
  ],
  [
    ATTEMPTS,
    'await settler.settle({ put: [recorded] });',
    '@retry:before; await settler.settle({ put: [recorded] }); @retry:recorded;',
  ],
  [
    CONTENT_FILE,
    'resolve(new ContentFile(path, descriptor));',
    '{ @content:created; resolve(new ContentFile(path, descriptor)); }',
  ],
  [CONTENT_FILE, 'this.#octets += written;', 'this.#octets += written; @content:written;'],
  [
    CONTENT_FILE,
    'fsync(this.#descriptor, (error) => (error ? reject(error) : resolve()));',
    'fsync(this.#descriptor, (error) => { @content:synced; if (error) reject(error); else resolve(); });',
  ],
  [
    'spool/lmdb/files.js',
    'rename(from, to, (error) => (error ? reject(error) : resolve()));',
    'rename(from, to, (error) => { @content:renamed; if (error) reject(error); else resolve(); });',
  ],
  [
    CONTENT_FILES,
    'await Promise.all(syncs.map((synced) => this.#syncs.sync(synced)));',
    'await Promise.all(syncs.map((synced) => this.#syncs.sync(synced))); @content:placed;',
  ],
  [
    CONTENT_FILES,
    'const unlinked = unlinkFile(this.path(file));',
    '@content:before-unlink; const unlinked = unlinkFile(this.path(file));',
  ],
  [CONTENT_FILES, 'await unlinked;', 'await unlinked; @content:unlinked;'],
  [
    TELLER,
    'await this.#deps.settler.settle({ told, add: [complete] });',
    '@report:composed; await this.#deps.settler.settle({ told, add: [complete] }); @report:stored;',
  ],
  [OUTBOX, 'const appends = [];', '@outbox:read; const appends = [];'],
  [OUTBOX, 'await Promise.all(appends);', 'await Promise.all(appends); @outbox:logged;'],
  [
    'events/event-log.js',
    'await segment.file.append(octets);',
    'await segment.file.append(octets); @outbox:log-written;',
  ],
  [RELOAD, 'const config = await loadSource(source);', 'const config = await loadSource(source); @reload:loaded;'],
  [
    RELOAD,
    'await orAbandon(workers, prepareAll(workers, what));',
    'await orAbandon(workers, prepareAll(workers, what)); @reload:prepared;',
  ],
  [
    RELOAD,
    'input.taken(config, certificates);',
    '@reload:queue-manager; input.taken(config, certificates); @reload:taken;',
  ],
  [RELOAD, 'const others = threadsOf(input)', '@reload:swapped; const others = threadsOf(input)'],
  [
    'runtime/working.js',
    'this.#lock = await takeSpoolLock(folder);',
    'this.#lock = await takeSpoolLock(folder); @start:locked;',
  ],
  [MANAGER, 'const events = await EventLog.open({', '@start:opened; const events = await EventLog.open({'],
  [MANAGER, 'await queueManager.start();', 'await queueManager.start(); @start:queue;'],
  [
    'runtime/worker-thread.js',
    'await runtime.start();',
    "await runtime.start(); process.prove.poll('worker:throw', () => { throw new Error('planted: worker:throw'); });",
  ],
  [
    'runtime/worker.js',
    "this.#deps.link.post({ kind: 'report', report });",
    "process.prove.at('worker:throw-with-outcome', 'throw'); this.#deps.link.post({ kind: 'report', report });",
  ],
  [
    'runtime/threads.js',
    'setInterval(() => this.#watch(), LOOK_EVERY).unref();',
    `setInterval(() => this.#watch(), LOOK_EVERY).unref();
     process.prove.poll('worker:terminate', () => void this.#slots[0].thread?.terminate());`,
  ],
  [
    MANAGER,
    'opened = { manager: queueManager, operations: queueOperations };',
    `opened = { manager: queueManager, operations: queueOperations };
     process.prove.poll('queue-manager:throw', () => { throw new Error('planted: queue-manager:throw'); });`,
  ],
];

const NAME = /@([a-z-]+:[a-z-]+)/g;
const CALLED = /process\.prove\.(?:at|poll)\('([a-z-]+:[a-z-]+)'/g;

export const PLANTS: readonly Plant[] = TEXTS.map(([file, find, replace]) => ({
  ...{ file, find },
  replace: replace.replaceAll(NAME, "process.prove.at('$1')"),
}));

export const POINTS: readonly string[] = PLANTS.flatMap(({ replace }) =>
  [...replace.matchAll(CALLED)].map(([, name]) => name ?? ''),
);

/** Where a worker, and not the process, dies. */
export function isOfWorker(point: string): boolean {
  return point.startsWith('worker:');
}

/** Where nobody can be connected, since the product is still starting. */
export function isOfStart(point: string): boolean {
  return point.startsWith('start:');
}

/** Where nothing comes by itself: a reload has to be asked for. */
export function isOfReload(point: string): boolean {
  return point.startsWith('reload:');
}

export interface Hit {
  readonly point: string;
  /** By the system's monotonic clock, milliseconds. */
  readonly at: number;
}

/** What a life has left for the judgement. */
export interface Life {
  readonly stalls: readonly Stall[];
  /** Outcomes that were recorded when it ended, or should have been. */
  readonly recorded: readonly Recorded[];
}

/** Arms points of one product, and tells which were hit. */
export class Points {
  readonly environment: Readonly<Record<string, string>>;
  readonly #armed: string;
  readonly #hits: string;
  readonly #beats: string;
  readonly #stalls: string;
  readonly #outcomes: string;
  #stallsRead = 0;
  #outcomesRead = 0;

  /** `more`: changes that are laid over the product before the points are. */
  constructor(folder: string, more: readonly Plant[] = []) {
    this.#armed = join(folder, 'points.armed');
    this.#hits = join(folder, 'points.hits');
    this.#beats = join(folder, 'points.beats');
    this.#stalls = join(folder, 'points.stalls');
    this.#outcomes = join(folder, 'points.outcomes');
    this.disarm();
    writeFileSync(this.#hits, '');
    writeFileSync(this.#outcomes, '');
    writeFileSync(this.#stalls, '');
    writeFileSync(this.#beats, Buffer.alloc(BEATS * 8));
    this.environment = plantedEnvironment(folder, [...more, ...PLANTS], {
      NODE_OPTIONS: `--import=${join(import.meta.dirname, 'points-load.mjs')}`,
      POSTRIDER_POINTS: POINTS.join(','),
      POSTRIDER_ARMED: this.#armed,
      POSTRIDER_HITS: this.#hits,
      POSTRIDER_BEATS: this.#beats,
      POSTRIDER_STALLS: this.#stalls,
      POSTRIDER_OUTCOMES: this.#outcomes,
    });
  }

  /** It is hit when one thread has passed it so often. */
  arm(point: string, passes: number): void {
    const file = openSync(this.#armed, 'r+');
    writeSync(file, Uint8Array.of(passes), 0, 1, POINTS.indexOf(point));
    closeSync(file);
  }

  disarm(): void {
    writeFileSync(this.#armed, Buffer.alloc(POINTS.length));
  }

  /** What is known of a life that ended then, since this was asked before. */
  lifeUntil(killedAt: number): Life {
    const beats = readFileSync(this.#beats);
    writeFileSync(this.#beats, Buffer.alloc(BEATS * 8));
    const commits = beats.readDoubleLE(8 * COMMITS);
    return {
      stalls: [...this.#stallsOver(), ...lastBeats(beats, killedAt), ...lastCommit(beats, killedAt)],
      recorded: this.#outcomesHeard().flatMap(({ begun, at, names }) =>
        commits - begun > MAX_COMMITS ? names.map((name) => ({ name, at })) : [],
      ),
    };
  }

  #stallsOver(): readonly Stall[] {
    const text = readFileSync(this.#stalls, 'utf8');
    const lines = text.slice(this.#stallsRead).split('\n').slice(0, -1);
    this.#stallsRead = text.length;
    return lines.map((line) => {
      const [from, to] = line.split(' ');
      return { from: Number(from), to: Number(to) };
    });
  }

  #outcomesHeard(): readonly { readonly begun: number; readonly at: number; readonly names: readonly string[] }[] {
    const text = readFileSync(this.#outcomes, 'utf8');
    const lines = text.slice(this.#outcomesRead).split('\n').slice(0, -1);
    this.#outcomesRead = text.length;
    return lines.map((line) => {
      const [begun, at, ...names] = line.split(' ');
      return { begun: Number(begun), at: Number(at), names };
    });
  }

  get hits(): readonly Hit[] {
    return readFileSync(this.#hits, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [point = '', at] = line.split(' ');
        return { point, at: Number(at) / 1e6 };
      });
  }
}

/** Threads that had not given their next sign by then. */
function lastBeats(beats: Buffer, killedAt: number): readonly Stall[] {
  return Array.from({ length: THREADS }, (_, i) => beats.readDoubleLE(8 * i) + BEAT)
    .filter((due) => due > BEAT && due < killedAt)
    .map((due) => ({ from: due, to: killedAt }));
}

/** A commit that was under way, and took its time. */
function lastCommit(beats: Buffer, killedAt: number): readonly Stall[] {
  const begun = beats.readDoubleLE(8 * UNDER_WAY);
  const due = begun + QUICK_COMMIT;
  return begun > 0 && due < killedAt ? [{ from: due, to: killedAt }] : [];
}
