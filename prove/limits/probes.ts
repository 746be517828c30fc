/** The probes in the threads of one product: how they come into it, and what they are asked. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../test/lib/wait.ts';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Plant } from '../suite.ts';
import { inUse, samplesIn, summariesOf, type ThreadSummary } from './samples.ts';

const PROBE = join(import.meta.dirname, 'probe.mjs');
const PATIENCE = 300_000;

export class Probes {
  readonly #folder: string;
  /** For the product. */
  readonly env: Readonly<Record<string, string>>;

  constructor(folder: string, plants: readonly Plant[]) {
    this.#folder = join(folder, 'probes');
    mkdirSync(this.#folder);
    this.env = plantedEnvironment(folder, plants, {
      NODE_OPTIONS: `--import=${PROBE}`,
      POSTRIDER_PROBE: this.#folder,
    });
  }

  threads(pid: number): ReadonlyMap<string, ThreadSummary> {
    return summariesOf(samplesIn(this.#folder), pid);
  }

  /** Octets of heaps and of what they hold outside, garbage not counted. */
  async inUse(pid: number): Promise<number> {
    const order = join(this.#folder, 'collect');
    writeFileSync(order, '');
    const since = Date.now();
    try {
      return await until('all threads to collect', () => inUse(samplesIn(this.#folder), { pid, since }), PATIENCE);
    } finally {
      rmSync(order);
    }
  }
}
