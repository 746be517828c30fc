/** Compact, backup and check. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { type EntryId } from '../../mail/entry.ts';
import { entry, EPOCH, idOf, message, notice, Reader, rule, settlement } from '../spool.fixtures.contract.ts';
import { foldersOf } from './folder.ts';
import { dueKey } from './keys.ts';
import { backupSpool, checkSpool, compactSpool } from './maintenance.ts';
import { diskFree, openStore } from './open.ts';
import { type Scratch, scratch } from './scratch.contract.ts';
import { Writes } from './store.ts';

const LARGE = Buffer.alloc(300 * 1024, 'large');
const m0 = idOf(0);

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function filled(): Promise<Scratch> {
  const here = scratch();
  cleanups.push(here.remove);
  const spool = await here.open();
  await spool.accept(
    [message(0, { content: LARGE }), message(1, { entries: [{}, { lane: 'held' }] }), message(2)],
    EPOCH,
  );
  await spool.settle(
    settlement({
      remove: [`${idOf(2)}/0`],
      notices: [notice(2, 0)],
      events: ['{}'],
      rules: { put: [rule('r')], remove: [] },
    }),
    EPOCH,
  );
  await spool.close();
  return here;
}

async function tamper(folder: string, change: (writes: Writes) => void): Promise<void> {
  const { store, onClosed } = await openStore(foldersOf(folder), () => diskFree(folder));
  const writes = new Writes();
  change(writes);
  await store.write(writes);
  await store.close();
  onClosed();
}

/** Everything in a spool, to compare with another. */
async function everything(folder: string): Promise<unknown> {
  const here = scratch();
  const spool = await here.open({ folder });
  const read = new Reader(() => spool, 100);
  const contents = await Promise.all([0, 1, 2, 3].map(async (n) => (await read.octets(idOf(n)))?.toString()));
  const all = [
    await read.entries(),
    await read.notices(),
    await read.outbox(),
    await spool.rules(),
    await read.agenda(),
    contents,
  ];
  await spool.close();
  here.remove();
  return all;
}

describe('check', () => {
  test('finds nothing in a sound spool, and counts it', async () => {
    const here = await filled();
    const figures = { messages: 3, entries: 3, notices: 1, files: 1, fileOctets: LARGE.length, problems: 0 };
    assert.deepEqual(await checkSpool(here.folder), { problems: [], figures });
  });

  const WRONG: readonly [string, (writes: Writes, folder: string) => void, RegExp][] = [
    ['an entry without its message', (w) => w.remove(`message/${idOf(1)}`), /^entry\/.* has no message$/m],
    ['an entry without a due row', (w) => w.remove(dueKey(entry(`${m0}/0`))), /has no due row/],
    ['a due row without an entry', (w) => w.mark(dueKey(entry(`${idOf(7)}/0`))), /leads to no entry/],
    [
      'a due row at another time',
      (w) => w.mark(dueKey(entry(`${m0}/0`, { dueAt: 9 }))),
      /is not where entry .* is due/,
    ],
    ['a queue that is not in the agenda', (w) => w.remove(agendaRow(60_000)), /is not in the agenda/],
    [
      'a queue that is late in the agenda',
      (w) => (w.remove(agendaRow(60_000)), w.mark(agendaRow(70_000))),
      /is later in the agenda/,
    ],
    ['content that is gone', (w) => w.remove(`content/${idOf(1)}`), /should have 9 octets and has none/],
    ['content that is shorter', (w) => w.put(`content/${idOf(1)}`, Buffer.from('x')), /should have 9 octets and has 1/],
    ['content of nobody', (w) => w.put(`content/${idOf(7)}`, Buffer.from('x')), /^content\/.* has no message$/m],
    ['a file that is gone', (_, folder) => rmSync(fileOf(folder)), /should have 307200 octets and has none/],
    [
      'a file that is cut short',
      (_, folder) => writeFileSync(fileOf(folder), 'x'),
      /should have 307200 octets and has 1/,
    ],
    [
      'a file of nobody',
      (_, folder) => writeFileSync(join(folder, 'content', m0.slice(-2), idOf(7)), ''),
      /belongs to no message/,
    ],
    [
      'a message that nothing needs',
      (w) => w.remove(`notice/${idOf(2)}/000000000000`),
      /has neither an entry nor a notice/,
    ],
    [
      'a notice of nobody',
      (w) => w.put(`notice/${idOf(7)}/000000000000`, Buffer.from(JSON.stringify(notice(7, 0)))),
      /^notice\/.* has no message$/m,
    ],
    ['records that cannot be read', (w) => w.put('rule/x', Buffer.from('{')), /^rule\/x cannot be read: not JSON$/m],
    ['a message that cannot be read', (w) => w.put(`message/${m0}`, Buffer.from('{}')), /field 'id' is missing/],
    ['an entry that cannot be read', (w) => w.put(`entry/${m0}/0`, Buffer.from('{}')), /^entry\/.* cannot be read/m],
    [
      'counts that are off',
      (w) => w.put('meta/state', Buffer.from('{"sequence":1,"epoch":1,"messages":9,"entries":9,"fileOctets":9}')),
      /counts 9 messages, there are 3/,
    ],
  ];
  for (const [title, change, words] of WRONG)
    test(`finds ${title}`, async () => {
      const here = await filled();
      await tamper(here.folder, (writes) => change(writes, here.folder));
      const { problems, figures } = await checkSpool(here.folder);
      assert.match(problems.join('\n'), words);
      assert.equal(figures.problems, problems.length);
    });

  test('changes nothing and refuses an open spool and what is none', async () => {
    const here = await filled();
    const before = statSync(join(foldersOf(here.folder).store, 'data.mdb')).mtimeMs;
    await checkSpool(here.folder);
    assert.equal(statSync(join(foldersOf(here.folder).store, 'data.mdb')).mtimeMs, before);
    const spool = await here.open();
    await assert.rejects(checkSpool(here.folder), /open in this process/);
    await spool.close();
    await assert.rejects(checkSpool(join(here.folder, 'nowhere')), /is not a spool/);
  });
});

describe('compact', () => {
  test('gives free pages back and keeps everything', async () => {
    const here = await filled();
    const spool = await here.open();
    const batch = Array.from({ length: 50 }, (_, n) => message(100 + n, { content: Buffer.alloc(50_000) }));
    await spool.accept(batch, EPOCH);
    await spool.settle(settlement({ remove: batch.map(({ id }): EntryId => `${id}/0`) }), EPOCH);
    await spool.close();
    const before = await everything(here.folder);
    const { octetsBefore, octetsAfter } = await compactSpool(here.folder);
    assert.ok(octetsBefore > 2_500_000 && octetsAfter < 200_000, `${octetsBefore} to ${octetsAfter}`);
    assert.equal(statSync(join(foldersOf(here.folder).store, 'data.mdb')).size, octetsAfter);
    assert.equal(statSync(join(foldersOf(here.folder).store, 'data.mdb')).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(here.folder).sort(), ['content', 'corrupt', 'incoming', 'store']);
    assert.deepEqual(await everything(here.folder), before);
    assert.deepEqual((await checkSpool(here.folder)).problems, []);
  });

  test('goes on where a run before was cut short', async () => {
    const here = await filled();
    mkdirSync(`${foldersOf(here.folder).store}.compact`);
    writeFileSync(join(`${foldersOf(here.folder).store}.compact`, 'data.mdb'), 'half');
    await compactSpool(here.folder);
    assert.deepEqual((await checkSpool(here.folder)).problems, []);
  });
});

describe('backup', () => {
  test('of a spool that is not open is a spool with everything', async () => {
    const here = await filled();
    const target = `${here.folder}.backup`;
    assert.deepEqual(await backupSpool(here.folder, target), { messages: 3, files: 1 });
    assert.deepEqual((await checkSpool(target)).problems, []);
    assert.equal(statSync(target).mode & 0o777, 0o700);
    assert.deepEqual(await everything(target), await everything(here.folder));
    await assert.rejects(backupSpool(here.folder, target), /is not empty/);
  });

  test('of an open spool is as it was at one moment, whatever happens meanwhile', async () => {
    const here = await filled();
    const spool = await here.open();
    await spool.accept(
      Array.from({ length: 20 }, (_, n) => message(100 + n, { content: LARGE })),
      EPOCH,
    );
    const target = `${here.folder}.backup`;
    const done = backupSpool(spool, target);
    for (let n = 0; n < 20; n++) {
      await spool.settle(settlement({ remove: [`${idOf(100 + n)}/0`] }), EPOCH);
      await spool.accept([message(200 + n, { content: LARGE })], EPOCH);
    }
    await done;
    const { problems } = await checkSpool(target);
    assert.deepEqual(problems, []);
    await spool.close();
    // Files of messages that ended meanwhile are unlinked once the backup is done.
    assert.deepEqual((await checkSpool(here.folder)).problems, []);
  });
});

function agendaRow(dueAt: number): string {
  const [, partition = '', queue = ''] = dueKey(entry(`${m0}/0`)).split('/');
  return `agenda/${partition}/${dueAt.toString(32).padStart(10, '0')}/${queue}`;
}

function fileOf(folder: string): string {
  return join(folder, 'content', m0.slice(-2), m0);
}
