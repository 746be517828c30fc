/**
 * Gathers what is to change in the spool during one turn of the event loop into one settlement.
 *
 * A settlement that does not fit on a full disk is tried again until it does: what it records has
 * happened, and nothing may be forgotten. A broken store ends the process, so its rejection is passed on.
 */

import { type Duration, SECOND } from '../../lib/time.ts';
import { type Log } from '../../ports/log.ts';
import { type Timers } from '../../ports/timers.ts';
import { type Epoch, type Settlement, type Spool, SpoolError } from '../../spool/spool.ts';
import { countCommit } from './flow-metrics.ts';

export interface SettlerDeps {
  readonly spool: Spool;
  readonly timers: Timers;
  readonly log: Log;
  /** Piggybacks the log writer's position on every settlement. */
  readonly logged: () => number | undefined;
  /** There is a new commit, perhaps with events. */
  readonly committed: () => void;
}

interface Part {
  readonly what: Partial<Settlement>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const RETRY_WHEN_FULL: Duration = SECOND;
/** One process has the spool alone, so that its commits are all of one. */
export const EPOCH: Epoch = 1;

export class Settler {
  readonly #deps: SettlerDeps;
  #gathered: Part[] = [];
  #unsettled = 0;

  constructor(deps: SettlerDeps) {
    this.#deps = deps;
  }

  /** Settlements that have not been committed yet. */
  get unsettled(): number {
    return this.#unsettled + this.#gathered.length;
  }

  /** Resolves when the commit that holds this part is on disk. */
  settle(part: Partial<Settlement>): Promise<void> {
    if (this.#gathered.length === 0) setImmediate(() => this.#commitAll(this.#gathered.splice(0)));
    return new Promise((resolve, reject) => {
      this.#gathered.push({ what: part, resolve, reject });
    });
  }

  /** What only takes room does not keep waiting what makes room: on a full disk they have to part. */
  #commitAll(parts: readonly Part[]): void {
    const adding = parts.filter(({ what }) => what.add !== undefined && what.add.length > 0);
    const others = parts.filter((part) => !adding.includes(part));
    let logged = this.#deps.logged();
    for (const group of [others, adding]) {
      if (group.length === 0) continue;
      const settlement = merged(group, logged);
      logged = undefined;
      this.#commit(settlement).then(
        () => {
          for (const { resolve } of group) resolve();
        },
        (error: unknown) => {
          for (const { reject } of group) reject(error);
        },
      );
    }
  }

  async #commit(settlement: Settlement): Promise<void> {
    this.#unsettled += 1;
    try {
      while (!(await this.#tryCommit(settlement))) await this.#pause();
      if (settlement.events.length > 0 || settlement.add.length > 0) this.#deps.committed();
    } finally {
      this.#unsettled -= 1;
    }
  }

  async #tryCommit(settlement: Settlement): Promise<boolean> {
    try {
      countCommit('settle');
      const { kind } = await this.#deps.spool.settle(settlement, EPOCH);
      if (kind === 'stale') throw new Error('this node no longer owns the partition');
      return true;
    } catch (error) {
      if (!(error instanceof SpoolError) || error.kind !== 'full') throw error;
      this.#deps.log.error('the spool is full: what happened to messages cannot be recorded yet', {
        entries: settlement.remove.length + settlement.put.length,
      });
      return false;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#deps.timers.after(RETRY_WHEN_FULL, resolve));
  }
}

function merged(parts: readonly Part[], logged: number | undefined): Settlement {
  const all = parts.map(({ what }) => what);
  return {
    remove: all.flatMap(({ remove }) => remove ?? []),
    put: all.flatMap(({ put }) => put ?? []),
    add: all.flatMap(({ add }) => add ?? []),
    notices: all.flatMap(({ notices }) => notices ?? []),
    told: all.flatMap(({ told }) => told ?? []),
    rules: {
      put: all.flatMap(({ rules }) => rules?.put ?? []),
      remove: all.flatMap(({ rules }) => rules?.remove ?? []),
    },
    events: all.flatMap(({ events }) => events ?? []),
    logged,
    letGo: all.flatMap(({ letGo }) => letGo ?? []),
  };
}
