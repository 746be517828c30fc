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

export interface SettlerDeps {
  readonly spool: Spool;
  readonly timers: Timers;
  readonly log: Log;
  /** Piggybacks the log writer's position on every settlement. */
  readonly logged: () => number | undefined;
  /** There is a new commit, perhaps with events. */
  readonly committed: () => void;
}

interface Gathering {
  readonly parts: Partial<Settlement>[];
  readonly done: Promise<void>;
}

const RETRY_WHEN_FULL: Duration = SECOND;
const EPOCH: Epoch = 1;

export class Settler {
  readonly #deps: SettlerDeps;
  #gathering: Gathering | undefined;
  #unsettled = 0;

  constructor(deps: SettlerDeps) {
    this.#deps = deps;
  }

  /** Settlements that have not been committed yet. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Resolves when the commit that holds this part is on disk. */
  settle(part: Partial<Settlement>): Promise<void> {
    this.#gathering ??= this.#gather();
    this.#gathering.parts.push(part);
    return this.#gathering.done;
  }

  #gather(): Gathering {
    const parts: Partial<Settlement>[] = [];
    const done = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#gathering = undefined;
        this.#commit(merged(parts, this.#deps.logged())).then(resolve, reject);
      });
    });
    return { parts, done };
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

function merged(parts: readonly Partial<Settlement>[], logged: number | undefined): Settlement {
  return {
    remove: parts.flatMap(({ remove }) => remove ?? []),
    put: parts.flatMap(({ put }) => put ?? []),
    add: parts.flatMap(({ add }) => add ?? []),
    notices: parts.flatMap(({ notices }) => notices ?? []),
    told: parts.flatMap(({ told }) => told ?? []),
    rules: {
      put: parts.flatMap(({ rules }) => rules?.put ?? []),
      remove: parts.flatMap(({ rules }) => rules?.remove ?? []),
    },
    events: parts.flatMap(({ events }) => events ?? []),
    logged,
  };
}
