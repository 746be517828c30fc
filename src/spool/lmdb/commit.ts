/**
 * The only place that writes: everything that was asked for in one tick, and everything that came while a commit
 * was under way, becomes the next group commit, one transaction. Commits come one after the other.
 *
 * A full disk fails the group whole; then changes that free room are tried alone before the others. Anything else
 * that goes wrong (EIO, a commit that does not settle in 30 s) means that the store can no longer be trusted:
 * all that wait are rejected, and so is every later call.
 */

import { type Timer, type Timers } from '../../ports/timers.ts';
import { type Committed, SpoolError } from '../spool.ts';
import { Arena } from './arena.ts';
import { type Change, type Plan, type Planner, type Verdict } from './plan.ts';
import { type Store } from './store.ts';

/**
 * After a failed write of its meta page LMDB never settles a commit again. Counted in single seconds, so that a
 * clock that is moved does not make it pass.
 */
const MAX_COMMIT_SECONDS = 30;
const SECOND = 1000;

interface Waiting {
  readonly change: Change;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitterOptions {
  readonly store: Store;
  readonly planner: Planner;
  readonly timers: Timers;
  readonly onCommitted: (plan: Plan) => void;
  readonly onBroken: (error: SpoolError) => void;
}

export class Committer {
  readonly #options: CommitterOptions;
  /** Of the group that gathers; the other one is in use by the commit under way. */
  #arena = new Arena();
  #spare = new Arena();
  #waiting: Waiting[] = [];
  #underWay: readonly Waiting[] = [];
  #running: Promise<void> | undefined;
  #broken: SpoolError | undefined;
  #seconds = 0;
  #watch: Timer | undefined;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** A copy of octets for the group that gathers; to be submitted in this tick. */
  copy(octets: Uint8Array): Buffer {
    return this.#arena.copy(octets);
  }

  submit(change: Change): Promise<Committed> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#waiting.push({ change, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is under way and nothing waits, or when nothing will ever end. */
  async idle(): Promise<void> {
    while (this.#running !== undefined && this.#broken === undefined)
      await Promise.race([this.#running, this.#stopped.promise]);
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  async #run(): Promise<void> {
    // To the end of the tick, so that what comes in it is committed together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#next();
    this.#running = undefined;
  }

  async #next(): Promise<void> {
    const group = this.#waiting;
    const arena = this.#arena;
    this.#waiting = [];
    this.#arena = this.#spare;
    this.#underWay = group;
    this.#seconds = 0;
    this.#watchOver();
    await this.#commit(group, arena);
    this.#underWay = [];
    arena.reset();
    this.#spare = arena;
  }

  async #commit(group: readonly Waiting[], arena: Arena): Promise<void> {
    const error = await this.#attempt(group, arena);
    if (error === undefined) return;
    if (error.kind === 'broken') return this.#breakDown(error);
    const freeing = group.filter(({ change }) => freesRoom(change));
    if (freeing.length === 0 || freeing.length === group.length) return rejectAll(group, error);
    const others = group.filter(({ change }) => !freesRoom(change));
    for (const part of [freeing, others]) {
      const again = await this.#attempt(part, arena);
      if (again?.kind === 'broken') return this.#breakDown(again);
      if (again !== undefined) rejectAll(part, again);
    }
  }

  /** One transaction. Tells the callers when it is committed; gives the error when it is not. */
  async #attempt(group: readonly Waiting[], arena: Arena): Promise<SpoolError | undefined> {
    if (this.#broken !== undefined) return this.#broken;
    const { planner, store, onCommitted } = this.#options;
    try {
      const plan = planner.plan(
        group.map(({ change }) => change),
        arena,
      );
      if (plan.writes.keys.length > 0) await store.write(plan.writes, group.some(bringsMail) ? 'adding' : 'ending');
      if (this.#broken !== undefined) return this.#broken;
      planner.adopt(plan);
      for (const [i, waiting] of group.entries()) tell(waiting, plan.verdicts[i]);
      onCommitted(plan);
      return undefined;
    } catch (error) {
      planner.forget();
      if (error instanceof SpoolError) return error;
      // A plan that throws is a bug in here, or the store cannot be read: no later commit would be better.
      return new SpoolError('broken', `a commit could not be made: ${String(error)}`, { cause: error });
    }
  }

  #breakDown(error: SpoolError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#watch?.cancel();
    rejectAll([...this.#underWay, ...this.#waiting], error);
    this.#waiting = [];
    this.#stopped.resolve();
    this.#options.onBroken(error);
  }

  /** One timer for all commits: it ticks only while one is under way. */
  #watchOver(): void {
    this.#watch ??= this.#options.timers.after(SECOND, () => {
      this.#watch = undefined;
      if (this.#underWay.length === 0) return;
      this.#seconds += 1;
      if (this.#seconds < MAX_COMMIT_SECONDS) return this.#watchOver();
      this.#breakDown(new SpoolError('broken', `a commit has not settled for ${MAX_COMMIT_SECONDS} s`));
    });
  }
}

function rejectAll(group: readonly Waiting[], error: SpoolError): void {
  for (const { reject } of group) reject(error);
}

function tell({ resolve, reject }: Waiting, verdict: Verdict | undefined): void {
  if (verdict === undefined) return reject(new Error('a change without a verdict'));
  if (verdict.kind === 'refused') return reject(verdict.error);
  resolve(verdict);
}

function bringsMail({ change }: Waiting): boolean {
  return change.kind === 'settle' && change.batch.add.length > 0;
}

/** Deliveries go on while the disk is full, since what they remove makes room. */
function freesRoom(change: Change): boolean {
  if (change.kind !== 'settle') return true;
  const { remove, told, logged, add } = change.batch;
  return add.length === 0 && (remove.length > 0 || told.length > 0 || logged !== undefined);
}
