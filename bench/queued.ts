/** What waiting mail costs in memory: the server starts with it, and its next hop is down. */

import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../test/lib/processes.ts';
import { until } from '../test/lib/wait.ts';
import { type Figures } from './measure.ts';
import { loadBacklog, untilIdle } from './postfix-tools.ts';
import { type Product, startProduct } from './servers.ts';

export interface QueuedOptions {
  readonly build: string;
  /** In rising order; each is measured after a restart. */
  readonly counts: readonly number[];
}

const REST = 3000;
const OCTETS = 1024;
const PATIENCE = 600_000;

/** `anonymousMib` for each count, in the order given. */
export async function measureQueued({ build, counts }: QueuedOptions): Promise<readonly Figures[]> {
  const figures: Figures[] = [];
  // Nobody listens there.
  let product = await startProduct({ build, sinkPort: await freePort() });
  try {
    for (const count of counts) {
      await fill(product, count);
      product = await product.restarted();
      await untilIdle(() => product.usage().cpu);
      await pause(REST);
      figures.push({ queued: count, anonymousMib: product.usage().anonymous / 1024 });
    }
  } finally {
    await product.stop();
  }
  return figures;
}

async function fill(product: Product, count: number): Promise<void> {
  const entries = async (): Promise<number> => (await product.control.status()).spool.entries;
  const messages = count - (await entries());
  const source = { port: product.port, sessions: 20, octets: OCTETS, recipient: 'b@sink.test' };
  if (messages > 0) await loadBacklog({ ...source, messages });
  await until('all to be queued', async () => (await entries()) >= count, PATIENCE);
}
