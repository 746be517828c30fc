/** A backlog goes out: delivery is paused while it comes in, then goes on. */

import { until } from '../test/lib/wait.ts';
import { type Figures, measure } from './measure.ts';
import { loadBacklog, type Sink, untilTaken } from './postfix-tools.ts';
import { type Product } from './servers.ts';

const PATIENCE = 120_000;

export async function measureDrain(product: Product, sink: Sink, messages: number): Promise<Figures> {
  const source = { port: product.port, sessions: 20, octets: 4096, recipient: 'b@sink.test' };
  await product.control.pause({ what: 'delivery' });
  const before = sink.taken;
  await loadBacklog({ ...source, messages });
  const queued = async (): Promise<boolean> => (await product.control.status()).spool.entries >= messages;
  await until('the backlog', queued, PATIENCE);
  return measure(product, messages, async () => {
    await product.control.unpause({ what: 'delivery' });
    await untilTaken(sink, before + messages);
  });
}
