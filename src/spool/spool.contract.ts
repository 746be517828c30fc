/**
 * What every spool promises. Each implementation's test file calls this; none of the cases names one.
 *
 * Every case runs plainly, with a crash and a reopen after each call, beside a second writer, after a call under
 * a stale epoch that must change nothing, and with pages of one row.
 */

import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Entry, type EntryId } from '../mail/entry.ts';
import { queueName } from '../mail/queue-name.ts';
import { type Committed, type NewMessage, type Settlement, type Spool } from './spool.ts';
import {
  entry,
  EPOCH,
  idOf,
  laneOf,
  message,
  notice,
  OLDER,
  Reader,
  rule,
  settlement,
} from './spool.fixtures.contract.ts';
import { randomOperationsKeepToTheModel } from './spool.model.contract.ts';

export interface SpoolUnderTest {
  /** The spool as it is open now. */
  readonly spool: Spool;
  /** Crashes and opens again what a crash leaves; a spool that survives nothing stays as it is. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

type Variant = 'plain' | 'crash' | 'second writer' | 'stale epoch' | 'pages of one';

const VARIANTS: readonly Variant[] = ['plain', 'crash', 'second writer', 'stale epoch', 'pages of one'];

/** Numbers of messages that the second writer uses, away from those of the cases. */
const NOISE = 900_000;

/** What a case works with: writes go through the variant. */
export class Bench {
  readonly read: Reader;
  readonly #under: SpoolUnderTest;
  readonly #variant: Variant;
  #noise = NOISE;

  constructor(under: SpoolUnderTest, variant: Variant) {
    this.#under = under;
    this.#variant = variant;
    this.read = new Reader(() => this.spool, variant === 'pages of one' ? 1 : 1000);
  }

  get spool(): Spool {
    return this.#under.spool;
  }

  reopen(): Promise<void> {
    return this.#under.reopen();
  }

  async accept(...batch: NewMessage[]): Promise<void> {
    await this.#commit((epoch) => this.spool.accept(batch, epoch));
  }

  async settle(batch: Partial<Settlement>): Promise<void> {
    await this.#commit((epoch) => this.spool.settle(settlement(batch), epoch));
  }

  async #commit(call: (epoch: number) => Promise<Committed>): Promise<void> {
    if (this.#variant === 'stale epoch') {
      await this.spool.settle(settlement({}), EPOCH);
      assert.deepEqual(await call(OLDER), { kind: 'stale', epoch: EPOCH });
    }
    const other = this.#variant === 'second writer' ? this.#otherWriter() : undefined;
    assert.deepEqual(await call(EPOCH), { kind: 'committed' });
    await other;
    if (this.#variant === 'crash') await this.#under.reopen();
  }

  /** Comes and goes in the same commits, and leaves nothing. */
  async #otherWriter(): Promise<void> {
    const n = this.#noise++;
    const made = message(n, { entries: [{ routingDomain: 'other.test', dueAt: 1 }] });
    await this.spool.accept([made], EPOCH);
    await this.spool.settle(settlement({ remove: [`${idOf(n)}/0`] }), EPOCH);
  }
}

type Case = (bench: Bench) => Promise<void>;

const m0 = idOf(0);
const ids = (entries: readonly Entry[]): EntryId[] => entries.map(({ id }) => id);

async function fileOf(bench: Bench, octets: Uint8Array): Promise<NewMessage['content']> {
  const path = join(bench.spool.incoming, `upload-${octets.length}`);
  const file = await open(path, 'wx');
  await file.writeFile(octets);
  await file.sync();
  await file.close();
  return { kind: 'file', path, octets: octets.length };
}

const LARGE = 300 * 1024;

const cases: Readonly<Record<string, Case>> = {
  'accepted content is read back octet for octet': async (bench) => {
    const content = Buffer.from([0x00, 0x0d, 0x0a, 0x2e, 0xff, 0x00]);
    await bench.accept(message(0, { content }), message(1, { content: Buffer.alloc(0) }));
    assert.deepEqual(await bench.read.octets(m0), content);
    assert.deepEqual(await bench.read.octets(idOf(1)), Buffer.alloc(0));
    assert.equal(await bench.read.octets(idOf(2)), undefined);
  },

  'content of every size around a page and around the largest that is stored inside': async (bench) => {
    const sizes = [1, 4079, 4080, 4096, 70_000, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1024 * 1024];
    const contents = sizes.map((size, n) => Buffer.alloc(size, `${n}abcdefghijk`));
    await bench.accept(...contents.map((content, n) => message(n, { content })));
    for (const [n, content] of contents.entries()) {
      assert.ok((await bench.read.octets(idOf(n)))?.equals(content), `content of ${content.length} octets`);
      assert.equal((await bench.spool.message(idOf(n)))?.content.octets, content.length);
    }
  },

  'a finished content file is taken over': async (bench) => {
    const content = Buffer.alloc(LARGE, 'file');
    const made = { ...message(0), content: await fileOf(bench, content) };
    // The same file cannot be given twice, which the stale variant would do.
    assert.equal((await bench.spool.accept([made], EPOCH)).kind, 'committed');
    await bench.reopen();
    assert.ok((await bench.read.octets(m0))?.equals(content));
    await bench.settle({ remove: [`${m0}/0`] });
    assert.equal(await bench.read.octets(m0), undefined);
  },

  'a message and its entries are read back whole': async (bench) => {
    const plain = { reversePath: null, ret: undefined, envid: undefined, body: '7BIT', smtpUtf8: false } as const;
    const made = message(0, {
      entries: [{}, { lastAttemptAt: 12, warned: true, crashes: 1, reason: 'greylisted', lastReply: '451 später' }],
    });
    const bounce = message(1, {
      envelope: { ...made.envelope, ...plain, client: { ...made.envelope.client, tls: undefined } },
      report: true,
      class: 'bulk',
    });
    await bench.accept(made, bounce);
    for (const { id, entries, events, content, ...stored } of [made, bounce]) {
      void events;
      const octets = content.kind === 'octets' ? content.octets.length : 0;
      assert.deepEqual(await bench.spool.message(id), { id, ...stored, content: { octets, file: undefined } });
      assert.deepEqual(await bench.spool.entriesOf(id), entries);
      for (const each of entries) assert.deepEqual(await bench.spool.entry(each.id), each);
    }
    assert.deepEqual(await bench.read.entries(), [...made.entries, ...bounce.entries]);
  },

  'what does not exist is undefined or empty': async (bench) => {
    assert.equal(await bench.spool.message(m0), undefined);
    assert.equal(await bench.spool.content(m0), undefined);
    assert.equal(await bench.spool.entry(`${m0}/0`), undefined);
    assert.deepEqual(await bench.spool.entriesOf(m0), []);
    assert.deepEqual(await bench.spool.noticesOf(m0), []);
    assert.deepEqual(await bench.spool.rules(), []);
    assert.deepEqual(await bench.read.entries(), []);
    assert.deepEqual(await bench.read.agenda(), []);
    assert.deepEqual(await bench.read.notices(), []);
    assert.deepEqual(await bench.read.outbox(), { sequences: [], lines: '' });
    assert.deepEqual(await bench.read.due(laneOf(entry(`${m0}/0`))), []);
    bench.spool.release(m0);
  },

  'a message that is kept outlives its entries until it is let go': async (bench) => {
    await bench.accept(message(0, { keep: 'file ü' }), message(1), message(2, { keep: '' }));
    assert.deepEqual(await bench.read.kept(), [
      { message: m0, note: 'file ü' },
      { message: idOf(2), note: '' },
    ]);
    await bench.settle({ remove: [`${m0}/0`, `${idOf(1)}/0`] });
    assert.equal(String(await bench.read.octets(m0)), 'content 0');
    assert.notEqual(await bench.spool.message(m0), undefined);
    assert.equal(await bench.spool.message(idOf(1)), undefined);
    await bench.settle({ letGo: [m0] });
    assert.equal(await bench.spool.message(m0), undefined);
    assert.equal(await bench.read.octets(m0), undefined);
    assert.deepEqual(await bench.read.kept(), [{ message: idOf(2), note: '' }]);
  },

  'a message that is let go lives as long as its entries': async (bench) => {
    await bench.accept(message(0, { keep: 'a' }), message(1, { keep: 'b' }));
    await bench.settle({ letGo: [m0, idOf(1), idOf(5)] });
    assert.notEqual(await bench.spool.message(m0), undefined);
    await bench.settle({ remove: [`${m0}/0`] });
    assert.equal(await bench.spool.message(m0), undefined);
    // Both at once.
    await bench.settle({ remove: [`${idOf(1)}/0`], letGo: [idOf(1)] });
    assert.equal(await bench.spool.message(idOf(1)), undefined);
    assert.deepEqual(await bench.read.kept(), []);
  },

  'a message whose end and whose letting go come together is gone': async (bench) => {
    await bench.accept(message(0, { keep: 'a' }));
    await bench.settle({ letGo: [m0], remove: [`${m0}/0`] });
    assert.equal(await bench.spool.message(m0), undefined);
    assert.equal((await bench.spool.figures()).messages, 0);
  },

  'a lane is read in the order of due times, then of ids': async (bench) => {
    const due = [500, 100, 300, 100, 40_000_000_000_000, 0];
    await bench.accept(...due.map((dueAt, n) => message(n, { entries: [{ dueAt }] })));
    const rows = await bench.read.due(laneOf(entry(`${m0}/0`)));
    assert.deepEqual(
      rows.map(({ dueAt }) => dueAt),
      [0, 100, 100, 300, 500, 40_000_000_000_000],
    );
    assert.deepEqual(ids(rows).slice(1, 3), [`${idOf(1)}/0`, `${idOf(3)}/0`]);
  },

  'classes, lanes, queues and partitions are kept apart': async (bench) => {
    const places: Partial<Entry>[] = [
      { class: 'transactional' },
      { class: 'normal' },
      { class: 'bulk' },
      { lane: 'deferred' },
      { lane: 'held' },
      { routingDomain: 'other.test' },
      { queue: queueName({ campaign: 'c', tenant: '', domain: 'example.com' }) },
    ];
    await bench.accept(message(0, { entries: places }));
    for (const [n, place] of places.entries())
      assert.deepEqual(ids(await bench.read.due(laneOf(entry(`${m0}/${n}`, place)))), [`${m0}/${n}`]);
  },

  'an entry that is moved is where it was put and nowhere else': async (bench) => {
    await bench.accept(message(0));
    const before = entry(`${m0}/0`);
    const after = {
      ...before,
      lane: 'deferred',
      dueAt: 900_000,
      attempts: 1,
      reason: 'greylisted',
      lastReply: '450 later',
    } as const;
    await bench.settle({ put: [after] });
    assert.deepEqual(await bench.read.due(laneOf(before)), []);
    assert.deepEqual(await bench.read.due(laneOf(after)), [after]);
    assert.deepEqual(await bench.spool.entriesOf(m0), [after]);
    await bench.settle({ put: [{ ...after, lastReply: 'the same place' }] });
    assert.deepEqual(ids(await bench.read.due(laneOf(after))), [`${m0}/0`]);
  },

  'an entry is split into several, and the parts end one by one': async (bench) => {
    await bench.accept(message(0));
    const parts = [1, 2, 10].map((n) => entry(`${m0}/${n}`, { dueAt: n, lane: 'deferred' }));
    await bench.settle({ remove: [`${m0}/0`], put: parts });
    assert.deepEqual(ids(await bench.spool.entriesOf(m0)), [`${m0}/1`, `${m0}/10`, `${m0}/2`]);
    for (const part of parts) {
      assert.notEqual(await bench.read.octets(m0), undefined);
      await bench.settle({ remove: [part.id] });
    }
    assert.equal(await bench.spool.message(m0), undefined);
    assert.equal(await bench.read.octets(m0), undefined);
  },

  'the agenda has each queue at the time of its earliest entry': async (bench) => {
    const other = 'other.test';
    await bench.accept(message(0, { entries: [{ dueAt: 50 }, { dueAt: 20, class: 'bulk', lane: 'deferred' }] }));
    await bench.accept(message(1, { entries: [{ dueAt: 30 }, { dueAt: 10, routingDomain: other }] }));
    await bench.read.agenda();
    const { partition, queue } = laneOf(entry(`${m0}/0`));
    assert.ok((await bench.read.agendaOf(partition)).some((row) => row.queue === queue && row.dueAt <= 20));
    await bench.settle({ remove: [`${m0}/1`] });
    // A row that is too early is mended once it was read.
    await bench.read.agenda();
    await bench.settle({});
    const rows = await bench.read.agenda();
    assert.deepEqual(
      rows.filter((row) => row.queue === queue),
      [{ partition, queue, dueAt: 30 }],
    );
    assert.equal(rows.find((row) => row.queue !== queue)?.dueAt, 10);
  },

  'a queue that is empty leaves the agenda': async (bench) => {
    await bench.accept(message(0), message(1));
    await bench.settle({ remove: [`${m0}/0`, `${idOf(1)}/0`] });
    await bench.settle({});
    assert.deepEqual(await bench.read.agenda(), []);
    await bench.accept(message(2));
    assert.deepEqual(
      (await bench.read.agenda()).map(({ dueAt }) => dueAt),
      [60_000],
    );
  },

  'held entries are not in the agenda; released ones are': async (bench) => {
    await bench.accept(message(0, { entries: [{ lane: 'held', dueAt: 1 }] }));
    assert.deepEqual(await bench.read.agenda(), []);
    await bench.settle({ put: [entry(`${m0}/0`, { lane: 'deferred', dueAt: 77 })] });
    assert.deepEqual(
      (await bench.read.agenda()).map(({ dueAt }) => dueAt),
      [77],
    );
    await bench.settle({ put: [entry(`${m0}/0`, { lane: 'held', dueAt: 77 })] });
    await bench.settle({});
    assert.deepEqual(await bench.read.agenda(), []);
    assert.deepEqual(ids(await bench.read.entries()), [`${m0}/0`]);
  },

  'notices are kept by message and told by recipient': async (bench) => {
    await bench.accept(message(0), message(1));
    const failed = [notice(0, 0), notice(0, 11), notice(0, 2, { action: 'delayed', willRetryUntil: 5 })];
    await bench.settle({ notices: [...failed, notice(1, 0)] });
    assert.deepEqual(await bench.spool.noticesOf(m0), [failed[0], failed[2], failed[1]]);
    assert.deepEqual(await bench.read.notices(), [[failed[0], failed[2], failed[1]], [notice(1, 0)]]);
    await bench.settle({ notices: [notice(0, 2)] });
    assert.deepEqual((await bench.spool.noticesOf(m0))[1], notice(0, 2));
    await bench.settle({ told: [{ message: m0, recipients: [0, 11] }] });
    assert.deepEqual(await bench.spool.noticesOf(m0), [notice(0, 2)]);
    await bench.settle({ told: [{ message: m0, recipients: [2, 5] }] });
    assert.deepEqual(await bench.read.notices(), [[notice(1, 0)]]);
  },

  'content lives as long as an entry or a notice, whichever ends last': async (bench) => {
    await bench.accept(message(0), message(1), message(2), message(3));
    const gone = async (n: number): Promise<boolean> => (await bench.read.octets(idOf(n))) === undefined;
    // Entry first, then the notice.
    await bench.settle({ remove: [`${m0}/0`], notices: [notice(0, 0)] });
    assert.equal(await gone(0), false);
    await bench.settle({ told: [{ message: m0, recipients: [0] }] });
    assert.equal(await gone(0), true);
    // Notice first, then the entry.
    await bench.settle({ notices: [notice(1, 0)] });
    await bench.settle({ told: [{ message: idOf(1), recipients: [0] }] });
    assert.equal(await gone(1), false);
    await bench.settle({ remove: [`${idOf(1)}/0`] });
    assert.equal(await gone(1), true);
    // Both at once; and a notice that is stored and told in one settlement.
    await bench.settle({ notices: [notice(2, 0), notice(3, 1)] });
    await bench.settle({ remove: [`${idOf(2)}/0`], told: [{ message: idOf(2), recipients: [0] }] });
    assert.equal(await gone(2), true);
    await bench.settle({
      remove: [`${idOf(3)}/0`],
      notices: [notice(3, 0)],
      told: [{ message: idOf(3), recipients: [0, 1] }],
    });
    assert.equal(await gone(3), true);
    assert.deepEqual(await bench.spool.figures().then(({ messages, entries }) => [messages, entries]), [0, 0]);
  },

  'a DSN is stored in the settlement that tells the notices': async (bench) => {
    await bench.accept(message(0, { content: Buffer.alloc(LARGE, 'a') }));
    await bench.settle({ remove: [`${m0}/0`], notices: [notice(0, 0), notice(0, 1)] });
    const dsn = message(9, { report: true, content: Buffer.alloc(LARGE, 'd') });
    await bench.settle({ add: [dsn], told: [{ message: m0, recipients: [0, 1] }] });
    assert.equal(await bench.spool.message(m0), undefined);
    assert.equal((await bench.spool.message(dsn.id))?.report, true);
    assert.ok((await bench.read.octets(dsn.id))?.equals(Buffer.alloc(LARGE, 'd')));
  },

  'events are in the outbox, in order, until they are logged': async (bench) => {
    await bench.accept(message(0, { events: ['{"n":1}', '{"n":2}'] }), message(1, { events: ['{"n":3}'] }));
    await bench.settle({ remove: [`${m0}/0`], events: ['{"n":4}'] });
    const { sequences, lines } = await bench.read.outbox();
    assert.equal(lines, '{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n');
    assert.deepEqual(sequences, [1, 2]);
    assert.equal((await bench.read.outbox(1)).lines, '{"n":4}\n');
    await bench.settle({ logged: 1 });
    assert.deepEqual((await bench.read.outbox()).sequences, [2]);
    await bench.settle({ logged: 2, events: ['{"n":5}'] });
    assert.deepEqual(await bench.read.outbox(), { sequences: [3], lines: '{"n":5}\n' });
    await bench.settle({ logged: 3 });
    await bench.reopen();
    await bench.settle({ events: ['{"n":6}'] });
    assert.deepEqual(await bench.read.outbox(), { sequences: [4], lines: '{"n":6}\n' });
  },

  'a claim to have logged what is still to come removes none of it': async (bench) => {
    await bench.settle({ logged: 1000 });
    await bench.settle({ events: ['{"n":1}'] });
    await bench.settle({ remove: [] });
    assert.equal((await bench.read.outbox()).lines, '{"n":1}\n');
  },

  'rules are set, replaced and removed': async (bench) => {
    const odd = rule('ü/ %41 "x"', {
      target: { sender: '*@ö.test', tenant: '' },
      route: 'backup',
      kind: 'reroute',
      until: 9,
    });
    await bench.settle({ rules: { put: [rule('b'), rule('a'), odd], remove: [] } });
    assert.deepEqual(await bench.spool.rules(), [odd, rule('a'), rule('b')]);
    await bench.settle({
      rules: { put: [rule('a', { epoch: 2, kind: 'hold', target: {} })], remove: ['b', odd.id, 'unknown'] },
    });
    assert.deepEqual(await bench.spool.rules(), [rule('a', { epoch: 2, kind: 'hold', target: {} })]);
  },

  'queue names with odd characters and of the greatest length': async (bench) => {
    const names = [
      queueName({ campaign: "a/b:c@d!'()*", tenant: 'ü'.repeat(21), domain: '[IPv6:2001:db8::1]' }),
      queueName({ campaign: 'c'.repeat(128), tenant: 't'.repeat(128), domain: `${'d'.repeat(250)}.test` }),
      queueName({ campaign: '~', tenant: '', domain: '~' }),
      queueName({ campaign: '', tenant: '', domain: '' }),
    ];
    await bench.accept(message(0, { entries: names.map((queue, i) => ({ queue, dueAt: i })) }));
    for (const [i, queue] of names.entries())
      assert.deepEqual(ids(await bench.read.due(laneOf(entry(`${m0}/${i}`, { queue })))), [`${m0}/${i}`]);
    assert.deepEqual(await bench.read.agendaQueues(), names);
  },

  'an empty batch is committed and changes nothing': async (bench) => {
    await bench.accept();
    await bench.settle({});
    assert.deepEqual(await bench.read.entries(), []);
    assert.deepEqual((await bench.read.outbox()).sequences, []);
  },

  'figures count what is there': async (bench) => {
    await bench.accept(message(0, { entries: [{}, {}] }), message(1, { content: Buffer.alloc(LARGE) }));
    await bench.settle({ put: [entry(`${m0}/2`), entry(`${m0}/1`, { dueAt: 5 })] });
    const { messages, entries, freeOctets, usedOctets, readerLag } = await bench.spool.figures();
    assert.ok(readerLag <= 1, 'nobody looks at the past');
    assert.deepEqual([messages, entries], [2, 4]);
    assert.ok(freeOctets > 0 && usedOctets >= LARGE);
    await bench.settle({ remove: [`${m0}/0`, `${m0}/1`, `${m0}/2`, `${idOf(1)}/0`] });
    const after = await bench.spool.figures();
    assert.deepEqual([after.messages, after.entries], [0, 0]);
    assert.ok(after.usedOctets < usedOctets);
  },
};

const wholeCases: Readonly<Record<string, Case>> = {
  'the spool does not share memory with its caller': async ({ spool, read }) => {
    for (const [n, size] of [6, 5000, LARGE].entries()) {
      const content = Buffer.alloc(size, 'before');
      const stored = spool.accept([message(n, { content })], EPOCH);
      content.fill('after!');
      await stored;
      assert.ok((await read.octets(idOf(n)))?.equals(Buffer.alloc(size, 'before')), `${size} octets`);
    }
  },

  "content that was read is the reader's own": async ({ spool, read }) => {
    await spool.accept([message(0, { content: Buffer.alloc(70_000, 'x') })], EPOCH);
    const first = await spool.content(m0);
    assert.ok(first?.kind === 'octets');
    first.octets.fill(0);
    assert.ok((await read.octets(m0))?.equals(Buffer.alloc(70_000, 'x')));
  },

  'a part of small content is read alone, as far as it goes': async ({ spool }) => {
    const content = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
    await spool.accept([message(0, { content })], EPOCH);
    for (const [at, octets] of [
      [0, 10],
      [69_000, 500],
      [69_990, 500],
      [70_000, 500],
    ] as const) {
      const part = await spool.content(m0, { at, octets });
      assert.ok(part?.kind === 'octets');
      assert.ok(content.subarray(at, at + octets).equals(part.octets), `${octets} from ${at}`);
    }
    assert.equal(await spool.content(idOf(1), { at: 0, octets: 10 }), undefined);
  },

  'many writers at once, small and large content mixed': async ({ spool, read }) => {
    const contentOf = (n: number): Buffer => Buffer.alloc(n % 7 === 0 ? LARGE + n : 100 * n, `${n}.`);
    await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const content = contentOf(n);
        const stored = spool.accept([message(n, { content })], EPOCH);
        content.fill(0);
        await stored;
        if (n % 3 === 0) await spool.settle(settlement({ remove: [`${idOf(n)}/0`] }), EPOCH);
      }),
    );
    for (let n = 0; n < 60; n++)
      assert.deepEqual(
        (await read.octets(idOf(n)))?.equals(contentOf(n)),
        n % 3 === 0 ? undefined : true,
        `message ${n}`,
      );
  },

  'a message of a thousand entries, a batch of a thousand messages': async (bench) => {
    const entries = Array.from({ length: 1000 }, (_, n) => ({ dueAt: n }));
    await bench.accept(message(5000, { entries }));
    await bench.accept(...Array.from({ length: 1000 }, (_, n) => message(n)));
    assert.equal((await bench.read.entries()).length, 2000);
    await bench.reopen();
    const many = await bench.spool.entriesOf(idOf(5000));
    await bench.settle({ remove: ids(many).slice(1) });
    assert.notEqual(await bench.read.octets(idOf(5000)), undefined);
    await bench.settle({
      remove: [`${idOf(5000)}/0`, ...Array.from({ length: 1000 }, (_, n): EntryId => `${idOf(n)}/0`)],
    });
    const { messages, entries: left } = await bench.spool.figures();
    assert.deepEqual([messages, left], [0, 0]);
  },

  'pages follow each other without a gap or a row twice, whatever their size': async ({ spool, accept, read }) => {
    void accept;
    await spool.accept(
      Array.from({ length: 40 }, (_, n) => message(n, { entries: [{ dueAt: n % 5 }, { lane: 'deferred' }] })),
      EPOCH,
    );
    const lane = laneOf(entry(`${m0}/0`));
    const whole = await read.due(lane);
    for (const limit of [1, 2, 7, 39, 40, 41]) {
      const paged = new Reader(() => spool, limit);
      assert.deepEqual(ids(await paged.due(lane)), ids(whole));
      assert.equal((await paged.entries()).length, 80);
    }
  },

  'a page is of one to a thousand rows': async ({ spool }) => {
    for (const limit of [0, -1, 1.5, 1001, Number.NaN]) {
      await assert.rejects(spool.entries(undefined, limit), /page limit/);
      await assert.rejects(spool.agenda(0, undefined, limit), /page limit/);
      await assert.rejects(spool.outbox(0, limit), /page limit/);
    }
  },

  'an older epoch writes nothing, and says which is newer': async ({ spool, read }) => {
    await spool.accept([message(0)], EPOCH);
    const stale = { kind: 'stale', epoch: EPOCH };
    assert.deepEqual(
      await spool.settle(settlement({ remove: [`${m0}/0`], add: [message(1)], events: ['{}'] }), OLDER),
      stale,
    );
    assert.deepEqual(await spool.accept([message(2)], OLDER), stale);
    assert.deepEqual(ids(await read.entries()), [`${m0}/0`]);
    assert.deepEqual((await read.outbox()).sequences, []);
    assert.deepEqual(await spool.accept([message(2)], EPOCH + 1), { kind: 'committed' });
    assert.deepEqual(await spool.accept([message(3)], EPOCH), { kind: 'stale', epoch: EPOCH + 1 });
  },

  'a call that does not fit rejects whole and harms no other': async ({ spool, read }) => {
    await spool.accept([message(0)], EPOCH);
    const wrong: readonly [string, Settlement][] = [
      ['unknown entry removed', settlement({ remove: [`${m0}/0`, `${m0}/7`], events: ['{}'] })],
      ['entry of an unknown message', settlement({ put: [entry(`${idOf(5)}/0`)] })],
      ['message that exists', settlement({ add: [message(0)] })],
      ['message twice', settlement({ add: [message(7), message(7)] })],
      ['message without entries', settlement({ add: [message(7, { entries: [] })] })],
      ['entry twice', settlement({ remove: [`${m0}/0`], put: [entry(`${m0}/0`)] })],
      ['entry of another message', settlement({ add: [{ ...message(7), entries: [entry(`${m0}/1`)] }] })],
      ['entry with an id that is none', settlement({ put: [{ ...entry(`${m0}/0`), id: `${m0}/x` as EntryId }] })],
      ['entry due at no time', settlement({ put: [entry(`${m0}/0`, { dueAt: Number.POSITIVE_INFINITY })] })],
      ['queue name that is no key', settlement({ put: [entry(`${m0}/0`, { queue: 'a/b' as Entry['queue'] })] })],
      ['queue name too long', settlement({ put: [entry(`${m0}/0`, { queue: 'q'.repeat(1900) as Entry['queue'] })] })],
      ['notice of an unknown message', settlement({ notices: [notice(5, 0)] })],
      ['rule without a name', settlement({ rules: { put: [rule('')], remove: [] } })],
    ];
    for (const [n, [title, batch]] of wrong.entries()) {
      const [before, bad, after] = await Promise.allSettled([
        spool.accept([message(100 + n)], EPOCH),
        spool.settle(batch, EPOCH),
        spool.settle(settlement({ put: [entry(`${m0}/1`, { dueAt: n })] }), EPOCH),
      ]);
      assert.deepEqual([before?.status, bad?.status, after?.status], ['fulfilled', 'rejected', 'fulfilled'], title);
    }
    assert.equal((await read.entries()).length, wrong.length + 2);
    assert.deepEqual((await read.outbox()).sequences, []);
  },

  'a closed spool takes nothing, and closing waits for what is under way': async ({ spool, ...bench }) => {
    void bench;
    const stored = spool.accept([message(0)], EPOCH);
    await spool.close();
    assert.deepEqual(await stored, { kind: 'committed' });
    await assert.rejects(spool.accept([message(1)], EPOCH), /closed/);
    await spool.close();
  },
};

export function spoolContract(name: string, open: () => Promise<SpoolUnderTest>): void {
  for (const variant of VARIANTS)
    describe(`${name} keeps the spool contract: ${variant}`, () => {
      for (const [title, run] of Object.entries(cases))
        test(title, async () => {
          const under = await open();
          try {
            await run(new Bench(under, variant));
          } finally {
            await under.close();
          }
        });
    });
  describe(`${name} keeps the spool contract: whole`, () => {
    for (const [title, run] of Object.entries(wholeCases))
      test(title, async () => {
        const under = await open();
        try {
          await run(new Bench(under, 'plain'));
        } finally {
          await under.close();
        }
      });
    test('random operations keep to the model', () => randomOperationsKeepToTheModel(open));
  });
}
