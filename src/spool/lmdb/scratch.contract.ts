/** Folders, timers and logs for the tests of the LMDB spool. */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log } from '../../ports/log.ts';
import { type Timers } from '../../ports/timers.ts';
import { type SpoolUnderTest } from '../spool.contract.ts';
import { type SpoolError } from '../spool.ts';
import { isCode } from './files.ts';
import { type LmdbSpool } from './lmdb-spool.ts';
import { type LmdbSpoolOptions, openLmdbSpool } from './open.ts';

/** Timers that only the test fires. */
export class HandTimers implements Timers {
  readonly #waiting = new Set<{ readonly delay: number; readonly wake: () => void }>();

  after(delay: number, wake: () => void): { cancel: () => void } {
    const timer = { delay, wake };
    this.#waiting.add(timer);
    return { cancel: () => void this.#waiting.delete(timer) };
  }

  get pending(): number {
    return this.#waiting.size;
  }

  /** Fires every timer of this delay that waits now. */
  fire(delay: number): void {
    for (const timer of [...this.#waiting].filter((each) => each.delay === delay)) {
      this.#waiting.delete(timer);
      timer.wake();
    }
  }
}

export class KeptLog implements Log {
  readonly lines: string[] = [];
  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }
  info(text: string): void {
    this.lines.push(`info ${text}`);
  }
}

export interface Scratch {
  readonly folder: string;
  readonly timers: HandTimers;
  readonly log: KeptLog;
  readonly broken: SpoolError[];
  open(options?: Partial<LmdbSpoolOptions>): Promise<LmdbSpool>;
  remove(): void;
}

/** A folder of its own, inside which the spool is made. */
export function scratch(parent = mkdtempSync(join(tmpdir(), 'postrider-spool-'))): Scratch {
  const folder = join(parent, 'spool');
  const timers = new HandTimers();
  const log = new KeptLog();
  const broken: SpoolError[] = [];
  const onBroken = (error: SpoolError): void => void broken.push(error);
  return {
    folder,
    timers,
    log,
    broken,
    open: (options = {}) => openLmdbSpool({ folder, log, timers, onBroken, ...options }),
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

/**
 * A crash is one moment, and a copy is not: where a file was unlinked in the middle of it, of a message whose end is
 * committed, the copy is made once more.
 */
async function copyOf(here: ReturnType<typeof scratch>): Promise<ReturnType<typeof scratch>> {
  for (let tries = 1; ; tries += 1) {
    const next = scratch();
    try {
      cpSync(here.folder, next.folder, { recursive: true, filter: (path) => !path.endsWith('lock.mdb') });
      return next;
    } catch (error) {
      next.remove();
      if (!isCode(error, 'ENOENT') || tries === 10) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** A spool whose `reopen` opens a copy of its folder, taken while it is open: what a killed process leaves. */
export async function crashing(): Promise<SpoolUnderTest> {
  let here = scratch();
  let spool = await here.open();
  return {
    get spool() {
      return spool;
    },
    async reopen() {
      const next = await copyOf(here);
      await spool.close();
      here.remove();
      here = next;
      spool = await here.open();
    },
    async close() {
      await spool.close();
      here.remove();
    },
  };
}
