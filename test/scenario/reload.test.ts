/**
 * Reload under load: sessions go on, mail is neither lost nor doubled, what is new answers, what is removed does
 * not, and a configuration that cannot be used changes nothing.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { LineClient } from '../lib/line-client.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { isListening, until } from '../lib/wait.ts';

const SESSIONS = 20;

describe('reload', () => {
  const sinks = [new FastSink(), new FastSink()] as const;
  let sinkPorts: readonly [number, number];
  let secondPort: number;
  let product: Product;
  let source: FastSource;
  let ended: Promise<void>;
  let sent = 0;

  /** The first listener stays as it is in all of them, unless its limits change. */
  function configOf(change: { second?: boolean; recipients?: number; sink?: 0 | 1 }): Partial<PostriderConfig> {
    const { second = false, recipients = 1000, sink = 0 } = change;
    return {
      listeners: [listener('smtp', product.smtpPort), ...(second ? [listener('second', secondPort)] : [])],
      limits: { ...LONG_SESSIONS, recipients },
      routes: [toSink({ name: 'out', port: sinkPorts[sink] })],
    };
  }

  const reloads = (): number => product.running.output().split('reloaded').length - 1;

  async function byCommand(config: Partial<PostriderConfig>): Promise<void> {
    product.configure(config);
    const { code, output } = await product.cli('reload');
    assert.equal(code, 0, output);
  }

  async function bySignal(config: Partial<PostriderConfig>): Promise<void> {
    product.configure(config);
    const done = reloads();
    product.running.signal('SIGHUP');
    await until('the reload', () => reloads() > done);
  }

  async function moreArrives(sink: FastSink, count = 100): Promise<void> {
    const had = sink.copies.length;
    await until(`${count} more messages`, () => sink.copies.length >= had + count);
  }

  before(async () => {
    sinkPorts = [await sinks[0].listen(), await sinks[1].listen()];
    secondPort = await freePort();
    product = await startProduct({ config: { routes: [toSink({ name: 'out', port: sinkPorts[0] })] } });
    await byCommand(configOf({}));
    source = new FastSource({
      port: product.smtpPort,
      sessions: SESSIONS,
      next: () => ({ to: `n${(sent += 1)}@sink.test` }),
      gap: 5,
    });
    ended = source.run();
    await moreArrives(sinks[0]);
    assert.equal(source.open, SESSIONS);
  });

  after(async () => {
    source.stop();
    await ended;
    assert.equal(await product.stop(), 0);
    for (const sink of sinks) await sink.close();
  });

  test('a listener is added and taken away, and sessions of the other notice nothing', async () => {
    for (const reload of [byCommand, bySignal]) {
      await reload(configOf({ second: true }));
      const client = await LineClient.greeted(secondPort);
      const replies = await client.send('a@client.test', [`second${reload.name}@sink.test`], 'Subject: x\r\n\r\nx\r\n');
      assert.equal(replies.at(-1)?.code, 250);
      client.close();
      await moreArrives(sinks[0]);
      await reload(configOf({}));
      await until('the listener to be closed', async () => !(await isListening(secondPort)));
      await moreArrives(sinks[0]);
    }
    assert.equal(source.open, SESSIONS);
  });

  test('limits change for new sessions, and those that are open go on', async () => {
    for (const [reload, recipients] of [
      [byCommand, 100],
      [bySignal, 123],
      [byCommand, 1000],
    ] as const) {
      await reload(configOf({ recipients }));
      // No client may be turned away for a change of limits: many ask, again and again.
      for (let i = 0; i < 40; i++) {
        const client = await LineClient.to(product.smtpPort);
        assert.equal((await client.reply()).code, 220);
        const { lines } = await client.say('EHLO client.test');
        assert.ok(
          lines.includes(`LIMITS RCPTMAX=${recipients}`) || lines.some((l) => l.includes(`RCPTMAX=${recipients}`)),
          lines.join(),
        );
        client.close();
      }
      await moreArrives(sinks[0]);
    }
    assert.equal(source.open, SESSIONS);
    assert.deepEqual(source.endings, []);
  });

  test('a route changes for what is sent from then on', async () => {
    for (const [reload, sink] of [
      [byCommand, 1],
      [bySignal, 0],
      [bySignal, 1],
      [byCommand, 0],
    ] as const) {
      await reload(configOf({ sink }));
      await moreArrives(sinks[sink]);
    }
    assert.equal(source.open, SESSIONS);
  });

  describe('refuses, with path, value and fix,', () => {
    const cases: readonly { name: string; text: () => string | Promise<string>; says: readonly RegExp[] }[] = [
      {
        name: 'a bad value',
        text: () => written({ ...configOf({}), drainTime: 'soon' }),
        says: [/drainTime/, /soon/, /30s|duration|10s|5m/],
      },
      {
        name: 'an unknown option',
        text: () => written({ ...configOf({}), limits: { recipents: 200 } } as never),
        says: [/limits\.recipents/, /recipients/],
      },
      {
        name: 'a route that does not exist',
        text: () => written({ ...configOf({}), local: { domains: ['local.test'], route: 'nowhere' } }),
        says: [/local\.route/, /nowhere/],
      },
      {
        name: 'no JavaScript',
        text: () => 'export default { hostname: "mx.product.test", ;',
        says: [/postrider\.config\.mjs/],
      },
      { name: 'a file that throws', text: () => 'throw new Error("no secret given");', says: [/no secret given/] },
      {
        name: 'a port that is taken',
        text: () => written({ listeners: [listener('smtp', product.smtpPort), listener('third', takenPort)] }),
        says: [/third/, /port/, /another program listens there|choose another port/],
      },
    ];
    const taken = createServer();
    let takenPort: number;

    before(async () => {
      taken.listen(0, '127.0.0.1');
      await once(taken, 'listening');
      takenPort = (taken.address() as AddressInfo).port;
    });
    after(() => taken.close());

    for (const { name, text, says } of cases)
      test(name, async () => {
        writeFileSync(product.configFile, await text());
        const { code, output } = await product.cli('reload');
        assert.equal(code, 78, output);
        for (const what of says) assert.match(output, what);
        // The operator's log says it too, for those who send a signal.
        const had = product.running.output().split('reload refused').length;
        product.running.signal('SIGHUP');
        await until('the refusal in the log', () => product.running.output().split('reload refused').length > had);
        assert.equal((await product.control.status()).listeners.length, 1);
        await moreArrives(sinks[0]);
        assert.equal(source.open, SESSIONS);
      });

    test('and afterwards a valid one is taken', async () => {
      await byCommand(configOf({ sink: 1 }));
      await moreArrives(sinks[1]);
    });
  });

  test('no session was dropped, and every message arrived once', async () => {
    source.stop();
    await ended;
    assert.deepEqual(
      source.endings.map(({ how }) => how),
      Array(SESSIONS).fill('quit'),
    );
    assert.equal(source.countOf('accepted'), sent);
    const count = (to: string): number => sinks.reduce((sum, sink) => sum + (sink.byRecipient.get(to)?.length ?? 0), 0);
    await until('every message', () => source.accepted.every((to) => count(to) > 0));
    await until('an empty queue', async () => (await product.control.status()).spool.messages === 0);
    assert.deepEqual(
      source.accepted.filter((to) => count(to) !== 1),
      [],
    );
  });
});

function written(config: Partial<PostriderConfig>): string {
  return `export default ${JSON.stringify({ hostname: 'mx.product.test', spool: { folder: 'spool' }, ...config })};`;
}
