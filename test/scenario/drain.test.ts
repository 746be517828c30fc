/**
 * Stopping under load: what is in flight ends, newcomers are told to come back, and a restart delivers the rest:
 * every message that was answered with 250 once, none of the others.
 */

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { LineClient } from '../lib/line-client.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, type ProductPorts, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

const SESSIONS = 50;
const DRAIN_TIME = 10_000;
/** From the end of the drain to the end of the process. */
const REST = 5000;

interface World {
  readonly folder: string;
  readonly ports: ProductPorts;
  readonly sink: FastSink;
  readonly start: (drainTime?: string) => Promise<Product>;
}

async function newWorld(t: { after: (end: () => Promise<void>) => void }, delay: number): Promise<World> {
  const folder = await testFolder('drain');
  const ports = { smtp: await freePort(), http: await freePort() };
  const sink = new FastSink({ delay: () => delay });
  const port = await sink.listen();
  let last: Product | undefined;
  t.after(async () => {
    await last?.kill();
    await sink.close();
    await removeFolder(folder);
  });
  const config: Partial<PostriderConfig> = {
    listeners: [listener('smtp', ports.smtp)],
    limits: LONG_SESSIONS,
    routes: [toSink({ name: 'out', port })],
  };
  const start = async (drainTime = `${DRAIN_TIME}ms`): Promise<Product> =>
    (last = await startProduct({ folder, ports, config: { ...config, drainTime }, testClock: true }));
  return { folder, ports, sink, start };
}

/** What newcomers meet, until nobody listens: each is greeted or told, and never cut off. */
async function newcomers(port: number): Promise<readonly string[]> {
  const met: string[] = [];
  for (;;) {
    const source = new FastSource({ port, sessions: 1, next: () => undefined });
    await source.run();
    const [ending] = source.endings;
    met.push(ending === undefined || ending.how === 'quit' ? 'quit' : `${ending.how}: ${ending.text}`);
    if (ending?.how === 'refused') return met;
    // Longer than the server waits for another one.
    await pause(70);
  }
}

/** Delivers what is left, and checks that everything is there once. */
async function finish(world: World, source: FastSource): Promise<void> {
  const { sink } = world;
  sink.rules = {};
  const product = await world.start();
  // New mail is committed as due a minute later, in case that the server dies with it in its hands.
  await product.advance('10m');
  await until('every message', () => source.accepted.every((to) => sink.byRecipient.has(to)));
  await until('an empty queue', async () => (await product.control.status()).spool.messages === 0);
  assert.equal(await product.stop(), 0);
  const wrong = [...sink.byRecipient].filter(
    ([to, copies]) => copies.length !== 1 || source.fates.get(to)?.kind !== 'accepted',
  );
  assert.deepEqual(
    wrong.map(([to, copies]) => [to, copies.length, source.fates.get(to)]),
    [],
  );
}

describe('a stop under load', { concurrency: false }, () => {
  const ways: readonly { name: string; stop: (product: Product) => Promise<void> }[] = [
    { name: 'SIGTERM', stop: async ({ running }) => running.signal('SIGTERM') },
    {
      name: 'postrider drain',
      stop: async (product) => {
        const { code, output } = await product.cli('drain');
        assert.equal(code, 0, output);
      },
    },
  ];
  for (const { name, stop } of ways)
    test(`${name}: transactions and deliveries end, nothing is lost or doubled`, async (t) => {
      const world = await newWorld(t, 300);
      const product = await world.start();
      let sent = 0;
      const source = new FastSource({
        port: world.ports.smtp,
        sessions: SESSIONS,
        next: () => ({ to: `n${(sent += 1)}@sink.test` }),
      });
      const running = source.run();
      await until('load on both sides', () => source.inTransaction >= 10 && world.sink.waiting >= 5);
      await until('500 messages', () => source.countOf('accepted') >= 500);
      const meeting = newcomers(world.ports.smtp);
      const begun = performance.now();
      await stop(product);
      assert.equal(await product.running.exited, 0, product.running.output());
      assert.ok(performance.now() - begun < DRAIN_TIME + REST, 'it took too long');
      assert.doesNotMatch(product.running.output(), / error /);
      await running;
      assert.deepEqual(
        source.endings.filter(({ how, text }) => how !== 'told' || !text.startsWith('421')),
        [],
      );
      assert.equal(source.countOf('unanswered'), 0);
      // What was on its way to the sink has been waited for.
      assert.equal(world.sink.waiting, 0);
      const met = await meeting;
      assert.ok(
        met.slice(0, -1).every((each) => each === 'quit' || each.startsWith('told: 421 4.3.2')),
        met.join('\n'),
      );
      assert.match(met.at(-1) ?? '', /^refused/);
      t.diagnostic(`${source.countOf('accepted')} accepted, ${world.sink.copies.length} delivered before the end`);
      await finish(world, source);
    });

  test('a next hop slower than the time allowed is cut off, and gets its mail after the restart', async (t) => {
    const world = await newWorld(t, 60_000);
    const product = await world.start('1s');
    let sent = 0;
    const source = new FastSource({
      port: world.ports.smtp,
      sessions: 5,
      next: () => (sent < 20 ? { to: `n${(sent += 1)}@sink.test` } : undefined),
    });
    await source.run();
    assert.equal(source.countOf('accepted'), 20);
    await until('a delivery in flight', () => world.sink.waiting > 0);
    const begun = performance.now();
    assert.equal(await product.stop(), 0);
    assert.ok(performance.now() - begun < 1000 + REST, 'it took too long');
    assert.equal(world.sink.copies.length, 0);
    await finish(world, source);
  });

  test('a client that does not end its message is cut off in time', async (t) => {
    const world = await newWorld(t, 0);
    const product = await world.start('1s');
    const client = await LineClient.greeted(world.ports.smtp);
    for (const line of ['MAIL FROM:<a@client.test>', 'RCPT TO:<never@sink.test>', 'DATA']) await client.say(line);
    client.write('Subject: half\r\n\r\nhalf');
    const begun = performance.now();
    assert.equal(await product.stop(), 0);
    assert.ok(performance.now() - begun < 1000 + REST, 'it took too long');
    assert.equal(await client.closed(), '');
    const again = await world.start();
    assert.equal((await again.control.status()).spool.messages, 0);
    assert.equal(await again.stop(), 0);
  });
});
