/** The product among good and bad neighbours: its routes, its name server, and where all of them listen. */

import { setTimeout as pause } from 'node:timers/promises';
import { type PostriderConfig } from '../../src/config/config.ts';
import { FastSink } from '../../test/lib/fast-sink.ts';
import { FastSource } from '../../test/lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../../test/lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../../test/lib/processes.ts';
import { type Product, startProduct } from '../../test/lib/product.ts';
import { plantedEnvironment } from '../plant/plants.ts';
import { type Fault } from '../suite.ts';
import { BadDns } from './bad-dns.ts';
import { BADNESSES, BadHop } from './bad-hops.ts';
import { GOOD_HOPS } from './good-mail.ts';
import { Watch } from './watch.ts';

export interface WorldOptions {
  readonly workers: number;
  readonly fault: Fault | undefined;
  /** To next hops, over all; as shipped if not given. */
  readonly connections?: number | undefined;
}

export interface World {
  readonly product: Product;
  readonly port: number;
  /** Of each worker, octets of content. */
  readonly budget: number;
  readonly workers: number;
  readonly sink: FastSink;
  readonly hops: readonly BadHop[];
  /** Takes what is sent to `*.slow.well.test`, one octet a second. */
  readonly slow: BadHop;
  readonly dns: BadDns;
  readonly watch: Watch;
  close(): Promise<void>;
}

export const CONTENT_BUDGET = 64 << 20;
export const SLOW_RECEIVERS = 1000;
const SENT_WITHIN = 180_000;
/** Of one path, as shipped. */
export const MOST_CONNECTIONS = 10;
/** Short, so that what must end is seen to end; the last reply may take longest, as in RFC 5321. */
const QUICK = '3s';
export const LONGEST_WAIT = 15_000;

export async function startWorld({ workers, fault, connections }: WorldOptions): Promise<World> {
  const folder = await testFolder('neighbours');
  const sink = new FastSink({ contents: true });
  const dns = new BadDns();
  const hops = BADNESSES.map((badness) => new BadHop(badness));
  const slow = new BadHop({ name: 'slow', reads: 'an octet a second' });
  const dnsPort = await freePort();
  await dns.listen(dnsPort);
  const ports = { smtp: await freePort(), http: await freePort() };
  const config: Partial<PostriderConfig> = {
    ...settings({ workers, connections }, ports.smtp),
    dns: { servers: [`127.0.0.1:${dnsPort}`], timeout: '1s', attempts: 2 },
    routes: await routes({ sink, hops, slow }),
  };
  const env = plantedEnvironment(folder, fault?.plants ?? []);
  const product = await startProduct({ folder, ports, config, env });
  const watch = await Watch.of(product);
  return {
    ...{ product, port: ports.smtp, budget: CONTENT_BUDGET, workers, sink, hops, slow, dns, watch },
    close: async () => {
      await watch.close();
      await product.kill();
      await Promise.all([sink.close(), slow.close(), dns.close(), ...hops.map((hop) => hop.close())]);
      await removeFolder(folder);
    },
  };
}

function settings(
  { workers, connections }: Pick<WorldOptions, 'workers' | 'connections'>,
  port: number,
): Partial<PostriderConfig> {
  return {
    workers,
    listeners: [listener('smtp', port)],
    // What bounds a client is to be its own connection, not how much of this it may do.
    limits: { ...LONG_SESSIONS, junkCommands: 1_000_000_000, timeouts: { command: '60s', content: '60s' } },
    memory: { content: `${CONTENT_BUDGET >> 20}MiB` },
    queue: {
      ...(connections !== undefined && { connections }),
      pace: {
        defaults: { startWindow: MOST_CONNECTIONS, idleTimeout: '2s' },
        rules: [
          {
            name: 'slow',
            match: { domains: ['.slow.well.test'] },
            limits: { connections: SLOW_RECEIVERS, startWindow: SLOW_RECEIVERS, depth: 1 },
          },
        ],
      },
    },
    deliver: {
      timeouts: {
        ...{ connect: QUICK, greeting: QUICK, command: QUICK, handshake: QUICK, data: QUICK },
        ...{ block: '15s', final: '15s', quit: '1s' },
      },
    },
  };
}

type Routes = NonNullable<PostriderConfig['routes']>;

async function routes({ sink, hops, slow }: Pick<World, 'sink' | 'hops' | 'slow'>): Promise<Routes> {
  const all: Routes[number][] = [];
  for (let i = 0; i < GOOD_HOPS; i += 1)
    all.push(toSink({ name: `good${i}`, port: await sink.listen(), domains: [`good${i}.test`] }));
  for (const hop of hops) {
    const route = toSink({ name: hop.badness.name, port: await hop.listen(), domains: [hop.domain] });
    all.push({ ...route, tls: 'opportunistic' } as Routes[number]);
  }
  const match = { recipients: ['.slow.well.test'] };
  all.push({ kind: 'mx', name: 'slow', port: await slow.listen(), tls: 'none', match });
  return [...all, { kind: 'mx', name: 'looked-up', port: await sink.listen(), tls: 'none' }];
}

/** Sends what is for bad neighbours; the recipients that were accepted. */
export async function sendTo(
  { port }: World,
  recipients: readonly string[],
  body = 'Nobody reads this.\r\n',
): Promise<readonly string[]> {
  const left = [...recipients];
  const source = new FastSource({
    ...{ port, sessions: 16, reconnect: true },
    next: () => {
      const to = left.pop();
      return to === undefined ? undefined : { to, from: 'bad@good0.test', body };
    },
  });
  const over = setTimeout(() => source.stop(), SENT_WITHIN);
  await Promise.race([source.run(), pause(2 * SENT_WITHIN, undefined, { ref: false })]);
  clearTimeout(over);
  return source.accepted;
}
