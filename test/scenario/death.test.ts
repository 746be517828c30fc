/**
 * Processes that are killed: nothing that was answered with 250 is lost, and a message arrives twice only when its
 * first copy was answered by the next hop in the last moments of a life.
 */

import assert from 'node:assert/strict';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, type ProductPorts, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

const KILLS = 20;
/** Of one parent: each start after a death waits longer than the one before. */
const KILLS_OF_ONE_PARENT = 3;
const SESSIONS = 20;
const SITES = 5;
const DELAY = 30;
const IN_FLIGHT = 10;
/**
 * A copy may come again when it was answered this long before the last 250 of a life: what was committed later than
 * that must have recorded it. (The kill itself is no measure: a busy machine may have stopped everything before it.)
 */
const BEFORE_LAST_SIGN = 100;
/** The sink may answer before it hears that nobody is there. */
const AFTER_KILL = 1000;

interface World {
  readonly sink: FastSink;
  readonly ports: ProductPorts;
  readonly start: () => Promise<Product>;
}

async function newWorld(t: TestContext): Promise<World> {
  const folder = await testFolder('death');
  const ports = { smtp: await freePort(), http: await freePort() };
  const sink = new FastSink({ delay: () => DELAY });
  const routes = [];
  for (let i = 0; i < SITES; i++)
    routes.push(toSink({ name: `site${i}`, port: await sink.listen(), domains: [`site${i}.test`] }));
  const config: Partial<PostriderConfig> = {
    listeners: [listener('smtp', ports.smtp)],
    limits: LONG_SESSIONS,
    routes,
    queue: { pace: { defaults: { startWindow: 10 } } },
  };
  let last: Product | undefined;
  t.after(async () => {
    await last?.kill();
    await sink.close();
    await removeFolder(folder);
  });
  return { sink, ports, start: async () => (last = await startProduct({ folder, ports, config })) };
}

function newSource(ports: ProductPorts): FastSource {
  let sent = 0;
  return new FastSource({
    ...{ port: ports.smtp, sessions: SESSIONS, reconnect: true, gap: 5 },
    next: () => ({ to: `n${(sent += 1)}@site${sent % SITES}.test` }),
  });
}

function pidOf({ control }: Product, other?: number): Promise<number> {
  return until('the working process', async () => {
    const pid = await control.status().then(
      (status) => status.pid,
      () => undefined,
    );
    return pid !== other && pid;
  });
}

/** Lets everything go that still waits, and checks that each message came, and why some came twice. */
async function reckon(
  { sink }: World,
  product: Product,
  source: FastSource,
  kills: readonly number[],
): Promise<string> {
  const { spool } = await product.control.status();
  // Some wait for a later attempt, some are held since they were in flight twice.
  await until('an empty queue', async () => {
    await product.control.release({ select: { lane: 'held' } });
    await product.control.flush({ select: {}, all: true });
    return (await product.control.status()).spool.messages === 0;
  });
  const { accepted } = source;
  assert.deepEqual(
    accepted.filter((to) => !sink.byRecipient.has(to)),
    [],
  );
  const twice = [...sink.byRecipient].filter(([, copies]) => copies.length > 1);
  const ends = kills.map((at) => endOf(source, at));
  const inexcusable = twice.filter(([, copies]) =>
    copies.slice(0, -1).some(({ answeredAt }) => !ends.some((end) => isExcused(answeredAt, end))),
  );
  assert.deepEqual(
    inexcusable.map(([to, copies]) => [to, copies.map(({ answeredAt }) => answeredAt)]),
    [],
  );
  const ages = twice.map(([, [first]]) => Math.min(...kills.map((at) => Math.abs(at - (first?.answeredAt ?? 0)))));
  const oldest = Math.round(Math.max(0, ...ages));
  const refused = [...source.fates].filter(([, { kind }]) => kind === 'refused');
  assert.deepEqual(
    refused.filter(([to]) => sink.byRecipient.has(to)),
    [],
  );
  return `${accepted.length} accepted, ${source.countOf('unanswered')} unanswered, ${twice.length} came twice (first copies answered at most ${oldest} ms from a kill), ${spool.messages} were in the queue at the end`;
}

/** The end of a life: the last 250 that a client heard in it, and the kill. */
interface End {
  readonly lastSign: number;
  readonly killedAt: number;
}

function endOf({ fates }: FastSource, killedAt: number): End {
  let lastSign = -Infinity;
  for (const fate of fates.values())
    if (fate.kind === 'accepted' && fate.at < killedAt) lastSign = Math.max(lastSign, fate.at);
  return { lastSign, killedAt };
}

function isExcused(answeredAt: number, { lastSign, killedAt }: End): boolean {
  return answeredAt > lastSign - BEFORE_LAST_SIGN && answeredAt < killedAt + AFTER_KILL;
}

describe('death', { concurrency: false }, () => {
  test(`the working process is killed ${KILLS} times under load`, async (t) => {
    const world = await newWorld(t);
    const source = newSource(world.ports);
    const kills: number[] = [];
    let product = await world.start();
    const running = source.run();
    while (kills.length < KILLS) {
      const pid = await pidOf(product);
      await until('load on both sides', () => source.inTransaction >= IN_FLIGHT && world.sink.waiting >= IN_FLIGHT);
      await pause(Math.random() * 200);
      kills.push(performance.now());
      process.kill(pid, 'SIGKILL');
      if (kills.length % KILLS_OF_ONE_PARENT === 0) {
        await product.kill();
        product = await world.start();
      } else await pidOf(product, pid);
    }
    await until('mail after the last of them', () => world.sink.waiting > 0);
    source.stop();
    await running;
    t.diagnostic(await reckon(world, product, source, kills));
    assert.ok(source.countOf('accepted') > KILLS * SESSIONS, 'there was hardly any load');
    assert.equal(await product.stop(), 0);
  });

  test('the parent is killed: the working process ends by itself, in order, and another server can start', async (t) => {
    const world = await newWorld(t);
    const source = newSource(world.ports);
    const product = await world.start();
    const running = source.run();
    await until('load on both sides', () => source.inTransaction >= IN_FLIGHT && world.sink.waiting >= IN_FLIGHT);
    product.running.signal('SIGKILL');
    // Its outputs are closed when the working process is gone too.
    await product.running.exited;
    const again = await world.start();
    await until('mail after it', () => world.sink.waiting > 0);
    source.stop();
    await running;
    t.diagnostic(await reckon(world, again, source, []));
    assert.equal(source.countOf('unanswered'), 0);
    assert.equal(await again.stop(), 0);
  });
});
