/** What an operator does to mail on its way, by the command line, seen by those who send and those who receive. */

import assert from 'node:assert/strict';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';
import { FastSink } from '../lib/fast-sink.ts';
import { type Fate, FastSource } from '../lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

describe('an operator', { concurrency: false }, () => {
  const sink = new FastSink();
  let folder: string;
  let product: Product;

  before(async () => {
    folder = await testFolder('operator');
    const ports = { smtp: await freePort(), http: await freePort() };
    product = await startProduct({
      ...{ folder, ports },
      config: {
        listeners: [listener('smtp', ports.smtp)],
        limits: LONG_SESSIONS,
        local: { domains: ['local.test'], route: 'box', mailboxes: ['ann'] },
        routes: [
          { kind: 'maildir', name: 'box', path: `${folder}/mail/{user}` },
          toSink({ name: 'a', port: await sink.listen(), domains: ['a.test'] }),
          toSink({ name: 'b', port: await sink.listen(), domains: ['b.test'] }),
        ],
      },
    });
  });
  after(async () => {
    assert.equal(await product.stop(), 0);
    await sink.close();
    await removeFolder(folder);
  });

  async function cli(...args: readonly string[]): Promise<string> {
    const { code, output } = await product.cli(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${output}`);
    return output;
  }

  /** One message for each recipient, each on a connection of its own. */
  async function send(...to: readonly string[]): Promise<readonly (Fate | undefined)[]> {
    const fates: (Fate | undefined)[] = [];
    for (const one of to) {
      const rest = [{ to: one }];
      const source = new FastSource({ port: product.smtpPort, sessions: 1, next: () => rest.pop() });
      await source.run();
      fates.push(source.fates.get(one));
    }
    return fates;
  }

  async function accepted(...to: readonly string[]): Promise<void> {
    for (const fate of await send(...to)) assert.equal(fate?.kind, 'accepted', JSON.stringify(fate));
  }

  const arrives = (to: string): Promise<unknown> => until(`the copy for ${to}`, () => sink.byRecipient.has(to));

  /** Mail behind it has been delivered, so that it would have been too. */
  async function waits(to: string, behind: string): Promise<void> {
    await accepted(behind);
    await arrives(behind);
    assert.ok(!sink.byRecipient.has(to), `${to} was delivered`);
    assert.match(await cli('queue', '--recipient', to), new RegExp(to));
  }

  async function code(to: string): Promise<number | undefined> {
    const [fate] = await send(to);
    return fate?.kind === 'refused' ? fate.code : undefined;
  }

  test('soft_bounce makes every refusal temporary, and no longer', async () => {
    assert.equal(await code('nobody@local.test'), 550);
    assert.match(await cli('soft_bounce', 'on'), /on/);
    assert.equal(await code('nobody@local.test'), 450);
    assert.match(await cli('soft_bounce', 'off'), /off/);
    assert.equal(await code('nobody@local.test'), 550);
  });

  test('soft_bounce keeps mail that a receiver refuses for good', async () => {
    sink.rules = { refuse: (to) => (to.startsWith('refused') ? '550 5.1.1 No such user' : undefined) };
    await cli('soft_bounce', 'on');
    await accepted('refused1@a.test');
    await product.event('the deferral', ({ kind }) => kind === 'deferred');
    assert.match(await cli('queue', '--recipient', 'refused1@a.test'), /550 5\.1\.1/);
    sink.rules = {};
    await cli('soft_bounce', 'off');
    await cli('queue', 'retry', '--recipient', 'refused1@a.test');
    await arrives('refused1@a.test');
  });

  test('pause intake: 4xx to those who come, what waits goes on, and unpause ends it', async () => {
    assert.match(await cli('pause', 'intake'), /intake is paused, delivery is running/);
    const paused = await code('early@a.test');
    assert.ok(paused !== undefined && paused >= 400 && paused < 500, `${paused}`);
    assert.match(await cli('status'), /intake paused/);
    await cli('unpause', 'intake');
    await accepted('late@a.test');
    await arrives('late@a.test');
    assert.ok(!sink.byRecipient.has('early@a.test'));
  });

  test('pause delivery: mail is taken and kept, and unpause lets it go', async () => {
    assert.match(await cli('pause', 'delivery'), /intake is open, delivery is paused/);
    const to = Array.from({ length: 20 }, (_, i) => `paused${i}@a.test`);
    await accepted(...to);
    assert.match(await cli('queue'), /20 entries/);
    assert.ok(to.every((one) => !sink.byRecipient.has(one)));
    await cli('unpause', 'all');
    for (const one of to) await arrives(one);
  });

  test('suspend a domain: its mail waits and the mail of others does not, until it is resumed', async () => {
    const output = await cli('suspend', '--domain', 'a.test', '--why', 'they asked');
    const [, rule = ''] = /rule (\S+)/.exec(output) ?? [];
    await accepted('suspended@a.test');
    await waits('suspended@a.test', 'other1@b.test');
    assert.match(await cli('rules'), /they asked/);
    const id = (await product.control.list({ recipient: 'suspended@a.test' })).entries[0]?.message ?? '';
    assert.match(await cli('explain', id), /they asked/);
    await cli('resume', rule);
    await arrives('suspended@a.test');
  });

  test('resume by the same target', async () => {
    await cli('suspend', '--domain', 'a.test');
    await accepted('suspended2@a.test');
    await waits('suspended2@a.test', 'other2@b.test');
    await cli('resume', '--domain', 'a.test');
    await arrives('suspended2@a.test');
    const { code: status, output } = await product.cli('resume', '--domain', 'a.test');
    assert.notEqual(status, 0, output);
  });

  test('hold and release one message', async () => {
    await cli('pause', 'delivery');
    await accepted('held@a.test', 'free@a.test');
    assert.match(await cli('queue', 'hold', '--recipient', 'held@a.test', '--why', 'look at it'), /1 entry held/);
    await cli('unpause', 'delivery');
    await arrives('free@a.test');
    await waits('held@a.test', 'other3@b.test');
    assert.match(await cli('queue', '--lane', 'held'), /held@a\.test/);
    // Trying again is not releasing.
    await cli('queue', 'retry', '--domain', 'a.test').catch(() => undefined);
    await waits('held@a.test', 'other4@b.test');
    assert.match(await cli('queue', 'release', '--recipient', 'held@a.test'), /1 entry released/);
    await arrives('held@a.test');
  });

  test('what was asked for stays after a restart of the working process', async () => {
    await cli('suspend', '--domain', 'a.test');
    await accepted('afterwards@a.test');
    const { pid } = await product.control.status();
    process.kill(pid, 'SIGKILL');
    await until('another working process', async () => {
      const status = await product.control.status().catch(() => undefined);
      return status !== undefined && status.pid !== pid;
    });
    await waits('afterwards@a.test', 'other5@b.test');
    await cli('resume', '--domain', 'a.test');
    // In flight or new at the death: due again within a minute, or now when that is asked.
    await cli('queue', 'retry', '--recipient', 'afterwards@a.test');
    await arrives('afterwards@a.test');
  });

  test('nothing was delivered twice, and nothing is left', async () => {
    await until('an empty queue', async () => (await product.control.status()).spool.messages === 0);
    assert.deepEqual(
      [...sink.byRecipient].filter(([, copies]) => copies.length > 1).map(([to]) => to),
      [],
    );
  });
});
