/** A thousand idle connections, and a flood that never ends a line: memory stays flat, and others are served. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { LineClient } from '../lib/line-client.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { anonymousMemory } from '../lib/memory.ts';
import { until } from '../lib/wait.ts';

const MIB = 1024 ** 2;
const IDLE = 1000;
const FLOODS = 8;
/** Of each flood. */
const FLOOD_OCTETS = 64 * MIB;
/** What a thousand sessions may cost. */
const MAX_GROWTH = 100 * MIB;
/** What the collector of garbage has not come to yet while half a gigabyte is read; it is the same for three. */
const MAX_GARBAGE = 200 * MIB;
const MAILS = 150;
const MAX_P99 = 2000;

describe('a flood', { concurrency: false }, () => {
  const sink = new FastSink();
  const sockets: Socket[] = [];
  let folder: string;
  let product: Product;
  let mails = 0;

  before(async () => {
    folder = await testFolder('flood');
    const ports = { smtp: await freePort(), http: await freePort() };
    product = await startProduct({
      ...{ folder, ports },
      config: {
        listeners: [listener('smtp', ports.smtp)],
        limits: LONG_SESSIONS,
        routes: [toSink({ name: 'out', port: await sink.listen() })],
        drainTime: '1s',
      },
    });
    await serves();
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await product.kill();
    await sink.close();
    await removeFolder(folder);
  });

  /** Mail of others, from their connection to its copy at the sink. */
  async function serves(): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < MAILS; i++) {
      const begun = performance.now();
      const rest = [{ to: `n${(mails += 1)}@sink.test` }];
      const source = new FastSource({ port: product.smtpPort, sessions: 1, next: () => rest.pop() });
      await source.run();
      assert.equal(source.countOf('accepted'), 1, JSON.stringify([...source.fates, ...source.endings]));
      await until('the copy', () => sink.byRecipient.has(`n${mails}@sink.test`));
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[Math.floor(MAILS * 0.99)] ?? Infinity;
  }

  async function memory(): Promise<number> {
    return anonymousMemory((await product.control.status()).pid);
  }

  function dial(): Socket {
    const socket = connect({ port: product.smtpPort, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    return socket;
  }

  test(`${IDLE} idle connections cost little, and nobody else notices them`, async (t) => {
    const before = await memory();
    for (let i = 0; i < IDLE; i += 100) {
      const some = Array.from({ length: 100 }, () => dial());
      await Promise.all(some.map((socket) => once(socket, 'data')));
    }
    const { workers } = await product.control.status();
    assert.equal(
      workers.reduce((sum, { sessions }) => sum + sessions, 0),
      IDLE,
    );
    const p99 = await serves();
    const growth = (await memory()) - before;
    t.diagnostic(`${Math.round(growth / MIB)} MiB more; 99 % of the mail of others within ${Math.round(p99)} ms`);
    assert.ok(growth < MAX_GROWTH, `${growth} octets more`);
    assert.ok(p99 < MAX_P99, `99 % took ${p99} ms`);
  });

  /** Writes the same again and again, as fast as it is taken, until enough or until the server hangs up. */
  async function flood(start: string, endless: Buffer): Promise<number> {
    const socket = dial();
    let octets = 0;
    socket.resume();
    await once(socket, 'connect');
    socket.write(start);
    while (!socket.destroyed && octets < FLOOD_OCTETS) {
      octets += endless.length;
      if (!socket.write(endless))
        // An error is a hang-up like any other.
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    }
    return octets;
  }

  const transaction = 'EHLO c.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<flood@sink.test>\r\n';
  const floods = [
    { name: 'a command', start: '' },
    { name: 'a command behind EHLO', start: 'EHLO c.test\r\n' },
    { name: 'a line of content', start: `${transaction}DATA\r\n` },
    { name: 'a chunk whose size is not believed', start: `${transaction}BDAT 99999999999\r\n` },
  ];
  for (const { name, start } of floods)
    test(`without a line end in ${name}`, async (t) => {
      const before = await memory();
      let most = before;
      const endless = Buffer.alloc(65_536, 'x');
      const flooding = Promise.all(Array.from({ length: FLOODS }, () => flood(start, endless)));
      const ended = new AbortController();
      const watching = (async () => {
        while (!ended.signal.aborted) most = Math.max(most, await memory());
      })();
      const p99 = await serves();
      const octets = (await flooding).reduce((sum, some) => sum + some, 0);
      ended.abort();
      await watching;
      t.diagnostic(
        `${Math.round(octets / MIB)} MiB flooded, ${Math.round((most - before) / MIB)} MiB more; others within ${Math.round(p99)} ms`,
      );
      assert.ok(most - before < MAX_GARBAGE, `${most - before} octets more`);
      assert.ok(p99 < MAX_P99, `99 % took ${p99} ms`);
      assert.ok(!sink.byRecipient.has('flood@sink.test'));
    });

  test('the idle ones are still there, and no fault was logged', async () => {
    assert.equal(sockets.slice(0, IDLE).filter((socket) => socket.destroyed).length, 0);
    const client = await LineClient.greeted(product.smtpPort);
    assert.equal((await client.say('NOOP')).code, 250);
    client.close();
    assert.doesNotMatch(product.running.output(), / error /);
  });
});
