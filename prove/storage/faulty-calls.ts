/** Failing calls to the file system, switched on and off while the product runs. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Plant } from '../suite.ts';

export interface FaultyCall {
  /** `commit`: of the store, as the library would report it. */
  readonly call: 'open' | 'write' | 'sync' | 'close' | 'rename' | 'commit';
  /** A regular expression. */
  readonly path: string;
  /** `HANG`, for a commit: it never settles. */
  readonly code: 'ENOSPC' | 'EIO' | 'EMFILE' | 'HANG';
}

const PRELOAD = join(import.meta.dirname, 'faulty-calls.mjs');
/** Longer than the product's threads keep rules that they have read. */
const UNTIL_READ = 25;

const FAULTY_COMMIT: Plant = {
  file: 'spool/lmdb/store.js',
  find: 'await this.#db.batch(() => {',
  replace: 'await globalThis.postriderFaultyStore?.();\n            await this.#db.batch(() => {',
};

export class FaultyCalls {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, 'faulty-calls.json');
    this.#write([]);
    writeFileSync(`${this.#file}.hits`, '');
  }

  /** In which the product is to be started, with these changes of it. */
  environment(folder: string, plants: readonly Plant[]): Readonly<Record<string, string>> {
    const preload = { NODE_OPTIONS: `--import=${PRELOAD}`, POSTRIDER_FAULTY_CALLS: this.#file };
    return plantedEnvironment(folder, [FAULTY_COMMIT, ...plants], preload);
  }

  /** How many calls have failed so far. */
  get hits(): number {
    return readFileSync(`${this.#file}.hits`, 'utf8').split('\n').length - 1;
  }

  /** In force when it resolves. */
  async set(rules: readonly FaultyCall[]): Promise<void> {
    this.#write(rules);
    await pause(UNTIL_READ);
  }

  #write(rules: readonly FaultyCall[]): void {
    // Never half a file: a thread that read one would take it for no rules at all.
    writeFileSync(`${this.#file}.next`, JSON.stringify(rules));
    renameSync(`${this.#file}.next`, this.#file);
  }
}
