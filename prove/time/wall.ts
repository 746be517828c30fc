/** The wall clock of a product, to be set while it runs and while it is down; its monotonic clock goes on as it does. */

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Plant } from '../suite.ts';

const SHIFT = pathToFileURL(join(import.meta.dirname, 'wall-shift.mjs')).href;
/** Longer than the product's threads keep what they have read. */
const UNTIL_READ = 25;

const MOVED: readonly Plant[] = [
  {
    file: 'runtime/clock.js',
    find: "import {} from '../ports/clock.js';",
    replace: `import { wallShift } from '${SHIFT}';`,
  },
  {
    file: 'runtime/clock.js',
    find: 'return Date.now() + this.#moved();',
    replace: 'return Date.now() + wallShift() + this.#moved();',
  },
];

export class WallClock {
  readonly #file: string;
  #shift = 0;

  constructor(folder: string) {
    this.#file = join(folder, 'wall-shift');
    this.#write();
  }

  /** Milliseconds against the real one. */
  get shift(): number {
    return this.#shift;
  }

  now(): number {
    return Date.now() + this.#shift;
  }

  environment(folder: string, plants: readonly Plant[]): Readonly<Record<string, string>> {
    return plantedEnvironment(folder, [...MOVED, ...plants], { POSTRIDER_WALL_SHIFT: this.#file });
  }

  /** Forward or back, at once and for all threads when it resolves. */
  async leap(by: number): Promise<void> {
    this.#shift += by;
    this.#write();
    await pause(UNTIL_READ);
  }

  #write(): void {
    writeFileSync(`${this.#file}.next`, String(this.#shift));
    renameSync(`${this.#file}.next`, this.#file);
  }
}
