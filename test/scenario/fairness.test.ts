/** Who waits for whom: a tenant with a mountain of mail and one with a handful, and classes on the way to one site. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { fillSpool } from '../lib/backlog.ts';
import { FastSink } from '../lib/fast-sink.ts';
import { FastSource } from '../lib/fast-source.ts';
import { listener, LONG_SESSIONS, toSink } from '../lib/load-config.ts';
import { freePort, removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, type ProductPorts, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

const MOUNTAIN = 100_000;
const BULK = 20_000;
/** Copies of others that may reach the site before one of the few: what is on its way to it, and some turns more. */
const FEW_HUNDRED = 300;

describe('fairness', { concurrency: false }, () => {
  const sink = new FastSink();
  let folder: string;
  let ports: ProductPorts;
  let config: Partial<PostriderConfig>;
  let product: Product | undefined;

  before(async () => {
    const port = await sink.listen();
    ports = { smtp: await freePort(), http: await freePort() };
    config = {
      listeners: [listener('smtp', ports.smtp)],
      limits: LONG_SESSIONS,
      routes: [toSink({ name: 'out', port })],
      queue: { trustOptionHeaders: ['127.0.0.0/8'] },
    };
  });
  after(() => sink.close());

  async function withBacklog(backlog: Omit<Parameters<typeof fillSpool>[0], 'folder' | 'config'>): Promise<Product> {
    folder = await testFolder('fairness');
    sink.copies.length = 0;
    sink.byRecipient.clear();
    await fillSpool({ folder, config, ...backlog });
    return (product = await startProduct({ folder, ports, config }));
  }

  /** For each message of the source: how many copies of others the sink took between our 250 and its own copy. */
  function othersBetween(source: FastSource): readonly number[] {
    return [...source.fates].map(([to, fate]) => {
      assert.equal(fate.kind, 'accepted');
      const from = 'at' in fate ? fate.at : 0;
      const until = sink.byRecipient.get(to)?.[0]?.answeredAt ?? Infinity;
      return sink.copies.filter(
        ({ recipient, answeredAt }) => !source.fates.has(recipient) && answeredAt > from && answeredAt < until,
      ).length;
    });
  }

  async function end(): Promise<void> {
    await product?.kill();
    await removeFolder(folder);
  }

  async function send(count: number, fields: string, to: (n: number) => string): Promise<FastSource> {
    let n = 0;
    const next = () => (n < count ? { to: to((n += 1)), fields } : undefined);
    const source = new FastSource({ port: ports.smtp, sessions: 1, next });
    await source.run();
    assert.equal(source.countOf('accepted'), count);
    return source;
  }

  test('ten of one tenant do not wait for a hundred thousand of another', async (t) => {
    t.after(end);
    const few = (to: string): boolean => to.startsWith('minnow');
    // The ten are the youngest of all.
    await withBacklog({
      count: MOUNTAIN + 10,
      mail: (n) =>
        n < MOUNTAIN ? { to: `w${n}@sink.test`, tenant: 'whale' } : { to: `minnow${n}@sink.test`, tenant: 'minnow' },
    });
    const arrived = () => sink.copies.filter(({ recipient }) => few(recipient)).length;
    await until('the ten', () => arrived() === 10);
    const before = sink.copies.findLastIndex(({ recipient }) => few(recipient)) - 9;
    t.diagnostic(`${before} of the whale came before the last of the minnow's ten`);
    assert.ok(before < FEW_HUNDRED, `${before} came before`);

    // And of ten that come now, named by a header field.
    const source = await send(10, 'X-Postrider-Tenant: minnow\r\n', (n) => `minnow-new${n}@sink.test`);
    await until('the new ten', () => arrived() === 20);
    const others = Math.max(...othersBetween(source));
    t.diagnostic(`at most ${others} of the whale came before one of ten new ones`);
    assert.ok(others < FEW_HUNDRED, `${others} came before`);
    assert.ok(sink.copies.length < MOUNTAIN, 'the mountain was gone before the test looked');
  });

  test('transactional mail overtakes a backlog of bulk mail to the same site', async (t) => {
    t.after(end);
    await withBacklog({ count: BULK, mail: (n) => ({ to: `b${n}@sink.test`, class: 'bulk' }) });
    await until('bulk mail on its way', () => sink.copies.length > 100);
    const source = await send(20, 'X-Postrider-Class: transactional\r\n', (n) => `t${n}@sink.test`);
    await until('the transactional ones', () => source.accepted.every((to) => sink.byRecipient.has(to)));
    const others = Math.max(...othersBetween(source));
    t.diagnostic(`at most ${others} bulk messages came before one of 20 transactional ones`);
    assert.ok(others < FEW_HUNDRED, `${others} came before`);
    assert.ok(sink.copies.length < BULK, 'the backlog was gone before the test looked');
    await until('all of it', () => sink.copies.length === BULK + 20, 60_000);
    assert.equal(sink.byRecipient.size, BULK + 20);
  });
});
