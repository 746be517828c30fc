/** The product is killed, stopped and started again: what waited waits on, unchanged, and what was in flight is not lost. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { after, describe, test } from 'node:test';
import { type EntryView, type QueueFilter } from '../../src/api/contract.ts';
import { type Event } from '../../src/events/event.ts';
import { DAY, HOUR, MINUTE } from '../../src/lib/time.ts';
import { startDnsServer } from '../../src/sandbox/dns-server.ts';
import { zoneOf } from '../../src/sandbox/zone.ts';
import { fillSpool } from '../lib/backlog.ts';
import { eventsOf, startMailWorld } from '../lib/mail-world.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { startReceiver } from '../lib/receiver.ts';
import { until } from '../lib/wait.ts';

/** All that waits, page after page, by id. */
async function waiting({ control }: Product, filter: QueueFilter = {}): Promise<readonly EntryView[]> {
  const entries: EntryView[] = [];
  let after: string | undefined;
  do {
    const page = await control.list({ ...filter, limit: 1000, ...(after !== undefined && { after }) });
    entries.push(...page.entries);
    after = page.next;
  } while (after !== undefined);
  return entries;
}

describe('killed while mail waits', () => {
  test('all of it is there again as it was, and goes in the order in which it is due', async () => {
    // One connection, and nothing handed to it ahead of its turn: what arrives shows the order.
    const pace = { defaults: { connections: 1, startWindow: 1, depth: 1 } };
    const mail = await startMailWorld({ world: { recipient: () => '451 4.3.0 later' }, config: { queue: { pace } } });
    try {
      const to = Array.from({ length: 20 }, (_, n) => `user${n}@far.test`);
      for (const one of to) await mail.send([one]);
      const deferred = (count: number) => async () => (await eventsOf(mail, 'deferred')).length === count;
      await until('a first attempt for all', deferred(20));
      for (const one of to.slice(0, 5)) await mail.product.control.retry({ select: { recipient: one } });
      await until('a second for five', deferred(25));
      await mail.product.control.hold({ select: { recipient: 'user19@far.test' }, by: 'test', reason: 'a test' });
      const before = await waiting(mail.product);
      assert.deepEqual(before.map(({ attempts }) => attempts).toSorted(), [...Array(15).fill(1), ...Array(5).fill(2)]);
      const events = await mail.product.events();

      await mail.product.kill();
      await mail.restart();
      assert.deepEqual(await waiting(mail.product), before);
      assert.deepEqual((await mail.product.events()).slice(0, events.length), events, 'what was logged stays');

      await mail.down();
      await mail.up();
      await mail.product.advance('1h');
      await until('nineteen deliveries', () => mail.world.messages.length === 19);
      const inOrder = before.filter(({ lane }) => lane !== 'held').toSorted((a, b) => a.dueAt - b.dueAt);
      assert.deepEqual(
        mail.world.recipients(),
        inOrder.flatMap(({ recipients }) => recipients),
      );
      const delivered = await until('their events', async () => {
        const found = await eventsOf(mail, 'delivered');
        return found.length === 19 && found;
      });
      assert.deepEqual(delivered.map(({ attempt }) => attempt).toSorted(), [...Array(14).fill(2), ...Array(5).fill(3)]);
      await mail.product.control.release({ select: {}, all: true });
      await mail.empty();
      assert.deepEqual(mail.world.recipients().toSorted(), to.toSorted());
    } finally {
      await mail.close();
    }
  });

  test('what was in flight is tried again within minutes, is delivered once, and is not counted as refused', async () => {
    const mail = await startMailWorld({ world: { recipient: () => '' } });
    try {
      const id = await mail.send(['bob@far.test']);
      await until('an attempt that hangs', () => mail.world.asked.length === 1);
      await mail.product.kill();
      await mail.down();
      await mail.up();
      await mail.restart();
      const [entry, ...more] = await waiting(mail.product);
      assert.deepEqual([entry!.message, entry!.attempts, entry!.lane, more], [id, 0, 'fresh', []]);
      const { now } = await mail.product.control.status();
      assert.ok(entry!.dueAt - now <= MINUTE, 'nobody waits for long');
      await mail.passUntil('delivery', () => mail.world.messages.length === 1);
      await mail.empty();
      assert.deepEqual(mail.world.recipients(), ['bob@far.test']);
      assert.equal((await eventsOf(mail, 'delivered', id)).length, 1);
    } finally {
      await mail.close();
    }
  });

  test('a message that was in flight at two such ends is held, and goes when it is released', async () => {
    const mail = await startMailWorld({ world: { recipient: () => '' } });
    try {
      const id = await mail.send(['bob@far.test']);
      // The first attempt leaves no record of itself: it is made at once, and the clock stands until then.
      await until('a first attempt that hangs', () => mail.world.asked.length === 1);
      for (let kills = 1; kills <= 3; kills += 1) {
        await mail.passUntil('an attempt that hangs', () => mail.world.asked.length === kills);
        await mail.product.kill();
        await mail.restart();
      }
      const held = await mail.passUntil('the guard', async () => (await eventsOf(mail, 'held', id))[0]);
      assert.equal(held.rule, 'crash-loop guard');
      assert.deepEqual(
        (await waiting(mail.product)).map(({ lane, reason }) => [lane, reason]),
        [['held', 'crashLoop']],
      );
      await mail.down();
      await mail.up();
      await mail.product.control.release({ select: { id } });
      await mail.passUntil('delivery', () => mail.world.messages.length === 1);
      await mail.empty();
    } finally {
      await mail.close();
    }
  });

  test('a report that was not sent yet is sent once', async () => {
    const mail = await startMailWorld({
      world: { recipient: (address) => (address.startsWith('no') ? '550 5.1.1 no such user' : '451 4.3.0 later') },
    });
    try {
      // The one that still waits keeps the report about the other back for a minute.
      const id = await mail.send(['nobody@far.test', 'bob@far.test']);
      await mail.product.event('the failure', ({ kind }) => kind === 'failed');
      await mail.product.kill();
      assert.deepEqual(mail.home.messages, []);
      await mail.restart();
      await mail.down();
      await mail.up();
      await mail.passUntil('both', () => mail.home.messages.length > 0 && mail.world.messages.length > 0);
      await mail.empty();
      assert.deepEqual(mail.home.recipients(), ['ann@home.test']);
      assert.deepEqual(mail.world.recipients(), ['bob@far.test']);
      const told = (await eventsOf(mail, 'dsn')).filter(({ about }) => about === id);
      assert.deepEqual(
        told.map(({ recipients }) => recipients),
        [['nobody@far.test']],
      );
    } finally {
      await mail.close();
    }
  });
});

test('the queue of a stopped server is listed and changed by hand, and the next start finds it so', async () => {
  const mail = await startMailWorld({ world: { recipient: () => '451 4.3.0 later' } });
  try {
    for (const one of ['keep', 'hold', 'remove', 'tell', 'now'])
      await mail.send([`${one}@far.test`], { from: `${one}@home.test` });
    await until('first attempts', async () => (await eventsOf(mail, 'deferred')).length === 5);
    const before = await waiting(mail.product);
    assert.equal(await mail.product.stop(), 0);

    const cli = async (...args: readonly string[]): Promise<string> => {
      const { code, output } = await mail.product.cli(...args);
      assert.equal(code, 0, output);
      return output;
    };
    const listed = JSON.parse((await cli('queue', 'list', '--json')).replace(/^[^{]*/, '')) as {
      readonly entries: readonly EntryView[];
    };
    assert.deepEqual(listed.entries, before);
    assert.match(await cli('queue', 'list'), /no server is running[^]*keep@far\.test[^]*5 entries/);
    assert.match(await cli('queue', 'hold', '--recipient', 'hold@far.test'), /1 entry held/);
    assert.match(await cli('queue', 'hold', '--recipient', 'keep@far.test'), /1 entry held/);
    assert.match(await cli('queue', 'release', '--sender', 'keep@home.test'), /1 entry released/);
    assert.match(await cli('queue', 'remove', '--recipient', 'remove@far.test'), /1 entry removed/);
    assert.match(await cli('queue', 'remove', '--recipient', 'tell@far.test', '--tell-sender'), /1 entry removed/);
    assert.match(await cli('queue', 'retry', '--recipient', 'now@far.test'), /1 entry will be tried now/);
    assert.match(await cli('message', before[0]!.message), /keep@far\.test/);
    assert.match(await cli('check'), /^4 messages, 3 entries, 0 problems$/m);

    await mail.down();
    await mail.up();
    await mail.restart();
    await until('what was released and what is to be tried now', () => mail.world.messages.length === 2);
    assert.deepEqual(mail.world.recipients().toSorted(), ['keep@far.test', 'now@far.test']);
    await until('the report', () => mail.home.messages.length === 1);
    assert.deepEqual(mail.home.recipients(), ['tell@home.test']);
    await until('the rest', async () => (await waiting(mail.product)).length === 1);
    const [held] = await waiting(mail.product);
    assert.deepEqual([held!.recipients, held!.lane, held!.reason], [['hold@far.test'], 'held', 'held']);
    for (const [kind, count] of [
      ['held', 2],
      ['released', 1],
      ['removed', 2],
    ] as const)
      await until(`${count} events ${kind}`, async () => (await eventsOf(mail, kind)).length === count);
    await mail.product.control.release({ select: {}, all: true });
    await mail.empty();
  } finally {
    await mail.close();
  }
});

describe('a hundred thousand messages to ten thousand domains', () => {
  const DOMAINS = 10_000;
  const MESSAGES = 100_000;
  /** Three to each domain should have gone while the server was down; the others wait for their time. */
  const OVERDUE = 30_000;
  // Measured: 630 to 830 MiB, much of it uncollected young objects of five isolates on a machine with memory to spare.
  const MAX_RSS = 1024 ** 3;
  const to = (n: number): string => `user${n}@d${n % DOMAINS}.test`;
  const isOverdue = (n: number): boolean => n < OVERDUE;
  const ending: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const end of ending.toReversed()) await end();
  });

  test('are found by a restart within seconds; the overdue ones go, each once, and the others stay untouched', async (t) => {
    const folder = await testFolder('restart');
    ending.push(() => removeFolder(folder));
    const sink = await startReceiver({ keepContent: false });
    ending.push(() => sink.close());
    const names = Array.from({ length: DOMAINS }, (_, n) => `d${n}.test`);
    const dns = await startDnsServer(zoneOf(new Map(names.map((name) => [name, '127.0.0.1'])), new Map()));
    ending.push(() => dns.close());
    const config = {
      // The name server shares a thread with the sink: what it drops in the rush is asked again soon.
      dns: { servers: [`${dns.address}:${dns.port}`], timeout: '1s', attempts: 10 },
      routes: [{ kind: 'mx' as const, name: 'out', port: sink.port }],
    };
    const now = Date.now();
    const later = (n: number): number => now + HOUR + ((n * 7919) % (4 * DAY));
    const stored = { lane: 'deferred', attempts: 2, reason: 'transient', lastReply: '451 4.3.0 later' } as const;
    await fillSpool({
      ...{ folder, config, count: MESSAGES },
      mail: (n) => ({ to: to(n), entry: { ...stored, dueAt: isOverdue(n) ? now - HOUR - n : later(n) } }),
    });

    const begun = performance.now();
    const product = await startProduct({ folder, config });
    ending.push(() => product.kill());
    const seconds = (): string => ((performance.now() - begun) / 1000).toFixed(1);
    const status = await product.control.status();
    assert.equal(status.spool.entries + sink.messages.length >= MESSAGES, true, 'all of it is known at once');
    t.diagnostic(`up after ${seconds()} s`);
    await until('a first delivery', () => sink.messages.length > 0);
    t.diagnostic(`first delivery after ${seconds()} s`);
    let mostOctets = 0;
    await until(
      'all that is overdue',
      () => {
        mostOctets = Math.max(mostOctets, rssAnon(status.pid));
        return sink.messages.length >= OVERDUE;
      },
      120_000,
    );
    t.diagnostic(`${OVERDUE} deliveries after ${seconds()} s, ${Math.round(mostOctets / 1024 / 1024)} MiB`);
    assert.ok(mostOctets < MAX_RSS, `${mostOctets} octets`);
    await until('their end', async () => (await product.control.status()).spool.entries === MESSAGES - OVERDUE);

    const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
    assert.deepEqual(sink.recipients().toSorted(), numbers.filter(isOverdue).map(to).toSorted(), 'each once');
    const left = await waiting(product);
    const byRecipient = new Map(left.map((entry) => [entry.recipients[0]!, entry]));
    assert.equal(byRecipient.size, MESSAGES - OVERDUE);
    for (const n of numbers.filter((n) => !isOverdue(n))) {
      const { dueAt, attempts, lane, reason, lastReply } = byRecipient.get(to(n))!;
      assert.deepEqual({ dueAt, attempts, lane, reason, lastReply }, { ...stored, dueAt: later(n) }, to(n));
    }
    // The log follows the queue by a moment.
    const events = await until('a log that says so', async () => {
      const found = await product.events();
      return found.filter(({ kind }) => kind === 'delivered').length >= OVERDUE && found;
    });
    assert.ok(events.every(({ kind }) => kind === 'attempt' || kind === 'delivered'));
    const delivered = events.filter(
      (event): event is Extract<Event, { kind: 'delivered' }> => event.kind === 'delivered',
    );
    assert.equal(delivered.length, OVERDUE);
    assert.ok(delivered.every(({ attempt }) => attempt === 3));
    assert.equal(await product.stop(), 0);
  });
});

/** Memory of its own, without the pages of the spool that the system lends it; 0 where the system does not tell. */
function rssAnon(pid: number): number {
  if (process.platform !== 'linux') return 0;
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
