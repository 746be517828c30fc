/** What only a disk can fail, and what only this spool mends. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { HOUR } from '../../lib/time.ts';
import { type EntryId } from '../../mail/entry.ts';
import { SpoolError } from '../spool.ts';
import { entry, EPOCH, idOf, laneOf, message, notice, Reader, rule, settlement } from '../spool.fixtures.contract.ts';
import { foldersOf } from './folder.ts';
import { dueKey } from './keys.ts';
import { checkSpool } from './maintenance.ts';
import { type LmdbSpool } from './lmdb-spool.ts';
import { diskFree, openStore } from './open.ts';
import { type Scratch, scratch } from './scratch.contract.ts';
import { Writes } from './store.ts';

const LARGE = Buffer.alloc(300 * 1024, 'large');
const m0 = idOf(0);

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function place(): Scratch {
  const here = scratch();
  cleanups.push(here.remove);
  return here;
}

/** Changes records behind the back of a spool that is closed. */
async function tamper(folder: string, change: (writes: Writes) => void): Promise<void> {
  const { store, onClosed } = await openStore(foldersOf(folder), () => diskFree(folder));
  const writes = new Writes();
  change(writes);
  await store.write(writes);
  await store.close();
  onClosed();
}

/** Mending happens behind the reads. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.fail('it has not come to that');
}

describe('the folder', () => {
  test('is made closed to others, with everything in it', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    const open = readdirSync(here.folder, { recursive: true, withFileTypes: true })
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((path) => (statSync(path).mode & 0o077) !== 0);
    // The lock file is the library's own and holds no mail; its folder is closed.
    assert.deepEqual(
      open.filter((path) => !path.endsWith('lock.mdb')),
      [],
    );
    assert.equal(statSync(here.folder).mode & 0o777, 0o700);
    await spool.close();
  });

  test('is closed to others when it was open to them', async () => {
    const here = place();
    mkdirSync(here.folder);
    chmodSync(here.folder, 0o755);
    const spool = await here.open();
    assert.equal(statSync(here.folder).mode & 0o777, 0o700);
    await spool.close();
  });

  test('is begun where a first start ended before there was a store', async () => {
    const here = place();
    const made = [
      'acme',
      'directory.db',
      'directory.db-wal',
      'events',
      'mta-sts',
      'pickup',
      'reports',
      'tls',
      'tls-hosts',
    ];
    for (const name of made) mkdirSync(join(here.folder, name), { recursive: true });
    const spool = await here.open();
    await spool.close();
  });

  test('is refused when it holds something else, and stays as it is', async () => {
    const here = place();
    mkdirSync(here.folder);
    chmodSync(here.folder, 0o755);
    writeFileSync(join(here.folder, 'thesis.txt'), '');
    await assert.rejects(here.open(), /is not a spool: it holds 'thesis.txt'/);
    assert.deepEqual(readdirSync(here.folder), ['thesis.txt']);
    assert.equal(statSync(here.folder).mode & 0o777, 0o755);
  });

  test('is refused while this process has it open, and free again when it is closed', async () => {
    const here = place();
    const spool = await here.open();
    await assert.rejects(here.open(), /open in this process already/);
    await spool.close();
    await (await here.open()).close();
  });

  const FORMATS: readonly [string, (writes: Writes) => void, RegExp][] = [
    [
      'newer',
      (writes) => writes.put('meta/format', Buffer.from('2')),
      /has format 2; this release reads formats up to 1/,
    ],
    ['no number', (writes) => writes.put('meta/format', Buffer.from('one')), /format record is 'one'/],
    ['missing', (writes) => writes.remove('meta/format'), /holds records but no format number/],
  ];
  for (const [name, change, words] of FORMATS)
    test(`is refused when its format is ${name}, and left as it is`, async () => {
      const here = place();
      await (await here.open()).close();
      const { store, onClosed } = await openStore(foldersOf(here.folder), () => diskFree(here.folder));
      const writes = new Writes();
      change(writes);
      await store.write(writes);
      await store.close();
      onClosed();
      for (let i = 0; i < 2; i++) await assert.rejects(here.open(), words);
    });

  test('is refused when the store is not one', async () => {
    const here = place();
    mkdirSync(foldersOf(here.folder).store, { recursive: true });
    writeFileSync(join(foldersOf(here.folder).store, 'data.mdb'), Buffer.alloc(20_000, 'not LMDB'));
    for (let i = 0; i < 2; i++) await assert.rejects(here.open(), /does not begin like one/);
  });

  test('is refused when the store is cut short, at whatever page', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: Buffer.alloc(50_000) })], EPOCH);
    await spool.close();
    const path = join(foldersOf(here.folder).store, 'data.mdb');
    for (let octets = statSync(path).size - 1; octets > 0; octets -= 4096) {
      truncateSync(path, octets);
      await assert.rejects(here.open(), /is cut short|does not begin like one/, `${octets} octets`);
    }
  });
});

describe('a store whose last page was taken and given back within a commit', () => {
  /** What the last commit counts beyond the end of the file. */
  function missing(path: string): number {
    const file = readFileSync(path);
    const metas = [0, 4096].map((at) => ({
      pages: Number(file.readBigUInt64LE(at + 144)) + 1,
      transaction: file.readBigUInt64LE(at + 152),
    }));
    const newest = metas[0]!.transaction > metas[1]!.transaction ? metas[0]! : metas[1]!;
    return newest.pages * 4096 - file.length;
  }

  test('has a file that is shorter than it counts, and opens; cut shorter it is refused', async () => {
    const here = place();
    await (await here.open()).close();
    const folders = foldersOf(here.folder);
    const path = join(folders.store, 'data.mdb');
    const { store, onClosed } = await openStore(folders, () => diskFree(here.folder));
    const keys = Array.from({ length: 40 }, (_, i) => `spare/${i}`);
    for (const [put, remove] of [
      [keys.slice(0, 20), []] as const,
      [keys, []] as const,
      [[], keys.slice(0, 38)] as const,
    ]) {
      const writes = new Writes();
      for (const key of put) writes.put(key, Buffer.alloc(100));
      for (const key of remove) writes.remove(key);
      await store.write(writes);
    }
    await store.close();
    onClosed();
    assert.equal(missing(path), 4096);
    await (await here.open()).close();
    for (let octets = statSync(path).size - 1; octets > 0; octets -= 4096) {
      truncateSync(path, octets);
      // Pages that are free now may be missing, too.
      const opened = await here.open().catch(String);
      if (typeof opened === 'string') return assert.match(opened, /is cut short/);
      await opened.close();
    }
    assert.fail('it was never refused');
  });
});

describe('records that cannot be read', () => {
  test('are set aside one by one, and all else goes on', async () => {
    const here = place();
    let spool = await here.open();
    await spool.accept([message(0, { entries: [{}, {}] }), message(1)], EPOCH);
    await spool.settle(
      settlement({ notices: [notice(0, 0), notice(0, 1)], rules: { put: [rule('a'), rule('b')], remove: [] } }),
      EPOCH,
    );
    await spool.close();
    const bad = {
      [`entry/${m0}/0`]: '{"id":',
      [`message/${idOf(1)}`]: '{}',
      'rule/a': '[1]',
      [`notice/${m0}/000000000000`]: '7',
    };
    await tamper(here.folder, (writes) => {
      for (const [key, value] of Object.entries(bad)) writes.put(key, Buffer.from(value));
    });
    spool = await here.open();
    const read = new Reader(() => spool, 1000);
    assert.deepEqual(
      (await read.entries()).map(({ id }) => id),
      [`${m0}/1`, `${idOf(1)}/0`],
    );
    assert.equal(await spool.message(idOf(1)), undefined);
    assert.deepEqual(await spool.rules(), [rule('b')]);
    assert.deepEqual(await spool.noticesOf(m0), [notice(0, 1)]);
    await until(() => here.log.lines.length === 4);
    const { corrupt } = foldersOf(here.folder);
    assert.deepEqual(new Set(readdirSync(corrupt)), new Set(Object.keys(bad).map(encodeURIComponent)));
    for (const [key, value] of Object.entries(bad))
      assert.equal(readFileSync(join(corrupt, encodeURIComponent(key)), 'utf8'), value);
    assert.equal(await spool.entry(`${m0}/0`), undefined);
    // Its due row leads nowhere now, and goes when it is met; the other entry is where it was.
    assert.deepEqual(
      (await read.due(laneOf(entry(`${m0}/0`)))).map(({ id }) => id),
      [`${m0}/1`, `${idOf(1)}/0`],
    );
    // An entry without its message can be ended like any other.
    await spool.settle(settlement({ remove: [`${idOf(1)}/0`, `${m0}/1`] }), EPOCH);
    assert.deepEqual(await read.entries(), []);
    await spool.close();
    const { problems } = await checkSpool(here.folder);
    assert.deepEqual(problems, []);
  });

  test('a record that was put right before it is set aside stays', async () => {
    const here = place();
    let spool = await here.open();
    await spool.accept([message(0)], EPOCH);
    await spool.close();
    await tamper(here.folder, (writes) => writes.put(`entry/${m0}/0`, Buffer.from('{')));
    spool = await here.open();
    const right = entry(`${m0}/0`, { lane: 'deferred', dueAt: 5 });
    assert.equal(await spool.entry(right.id), undefined);
    await spool.settle(settlement({ put: [right] }), EPOCH);
    await until(() => here.log.lines.length === 1);
    assert.deepEqual(await spool.entry(right.id), right);
    await spool.close();
  });

  test('an entry that cannot be read can be removed', async () => {
    const here = place();
    let spool = await here.open();
    await spool.accept([message(0)], EPOCH);
    await spool.close();
    await tamper(here.folder, (writes) => writes.put(`entry/${m0}/0`, Buffer.from([0xff, 0xfe])));
    spool = await here.open();
    await spool.settle(settlement({ remove: [`${m0}/0`] }), EPOCH);
    assert.equal(await spool.message(m0), undefined);
    assert.equal(await spool.content(m0), undefined);
    await spool.close();
  });

  test('an entry moved behind our back is read where its record says', async () => {
    const here = place();
    let spool = await here.open();
    await spool.accept([message(0)], EPOCH);
    await spool.close();
    const moved = entry(`${m0}/0`, { dueAt: 5 });
    await tamper(here.folder, (writes) => writes.mark(dueKey(moved)));
    spool = await here.open();
    const read = new Reader(() => spool, 1000);
    assert.deepEqual(
      (await read.due(laneOf(moved))).map(({ dueAt }) => dueAt),
      [60_000],
    );
    await spool.close();
  });
});

describe('content files', () => {
  const filesIn = (folder: string): string[] =>
    readdirSync(foldersOf(folder).content, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map(({ name }) => name);

  test('lie in folders named by the end of the id, and go with their message', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    const content = await spool.content(m0);
    assert.ok(content?.kind === 'file');
    assert.equal(content.path, join(foldersOf(here.folder).content, m0.slice(-2), m0));
    assert.equal(content.octets, LARGE.length);
    assert.deepEqual(readdirSync(spool.incoming), []);
    spool.release(m0);
    await spool.settle(settlement({ remove: [`${m0}/0`] }), EPOCH);
    await until(() => filesIn(here.folder).length === 0);
    await spool.close();
  });

  test('stay until the last reader lets go', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    await spool.content(m0);
    const content = await spool.content(m0);
    assert.ok(content?.kind === 'file');
    await spool.settle(settlement({ remove: [`${m0}/0`] }), EPOCH);
    spool.release(m0);
    assert.ok(readFileSync(content.path).equals(LARGE));
    assert.equal(await spool.sweep('all'), 0);
    spool.release(m0);
    await until(() => !existsSync(content.path));
    await spool.close();
  });

  test('without a message are swept when the spool opens', async () => {
    const here = place();
    let spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    await spool.close();
    const { content, incoming } = foldersOf(here.folder);
    const orphan = join(content, '77', idOf(77));
    mkdirSync(dirname(orphan));
    writeFileSync(orphan, '');
    writeFileSync(join(incoming, 'half an upload'), '');
    spool = await here.open();
    assert.deepEqual([filesIn(here.folder), readdirSync(incoming)], [[m0], []]);
    assert.deepEqual(here.log.lines, ['info content files without a message were removed']);
    await spool.close();
  });

  test('are swept hourly when they are older than an hour by the clock of the disk', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    const old = new Date(Date.now() - 2 * HOUR);
    for (const name of ['old upload', 'fresh upload']) writeFileSync(join(spool.incoming, name), '');
    utimesSync(join(spool.incoming, 'old upload'), old, old);
    utimesSync(join(foldersOf(here.folder).content, m0.slice(-2), m0), old, old);
    here.timers.fire(HOUR);
    await until(() => readdirSync(spool.incoming).join() === 'fresh upload');
    assert.deepEqual(filesIn(here.folder), [m0]);
    // And the hour after it.
    utimesSync(join(spool.incoming, 'fresh upload'), old, old);
    here.timers.fire(HOUR);
    await until(() => readdirSync(spool.incoming).length === 0);
    await spool.close();
  });

  test('a file that does not exist is a bug of the caller; nothing is accepted', async () => {
    const here = place();
    const spool = await here.open();
    const content = { kind: 'file', path: join(spool.incoming, 'none'), octets: 5 } as const;
    await assert.rejects(spool.accept([{ ...message(0), content }], EPOCH), /does not exist/);
    assert.equal(await spool.message(m0), undefined);
    await spool.close();
  });

  test('a message that exists keeps its file when the same id is accepted again', async () => {
    const here = place();
    const spool = await here.open();
    await spool.accept([message(0, { content: LARGE })], EPOCH);
    await assert.rejects(spool.accept([message(0, { content: Buffer.alloc(LARGE.length) })], EPOCH), /exists already/);
    assert.ok((await new Reader(() => spool, 1).octets(m0))?.equals(LARGE));
    await spool.close();
  });
});

test('a keep record holds a message and its content', async () => {
  const here = place();
  let spool = await here.open();
  await spool.accept([message(0)], EPOCH);
  await spool.close();
  await tamper(here.folder, (writes) => writes.mark(`keep/${m0}`));
  spool = await here.open();
  await spool.settle(settlement({ remove: [`${m0}/0`] }), EPOCH);
  assert.notEqual(await spool.message(m0), undefined);
  assert.equal(String(await new Reader(() => spool, 1).octets(m0)), 'content 0');
  await spool.close();
});

test('reader slots are checked every ten seconds, and no timer outlives the spool', async () => {
  const here = place();
  const spool = await here.open();
  for (let i = 0; i < 3; i++) here.timers.fire(10_000);
  assert.equal(here.timers.pending, 2);
  await spool.close();
  assert.equal(here.timers.pending, 0);
});

test('the file does not grow while mail only passes through', async () => {
  const here = place();
  const spool = await here.open();
  const pass = async (from: number): Promise<void> => {
    for (let n = from; n < from + 200; n += 20) {
      const batch = Array.from({ length: 20 }, (_, i) =>
        message(n + i, { content: Buffer.alloc(20_000), events: ['{}'] }),
      );
      await spool.accept(batch, EPOCH);
      await spool.settle(settlement({ remove: batch.map(({ id }): EntryId => `${id}/0`), logged: 1e9 }), EPOCH);
      await spool.agenda(laneOf(entry(`${m0}/0`)).partition, undefined, 10);
    }
  };
  await pass(0);
  const size = statSync(join(foldersOf(here.folder).store, 'data.mdb')).size;
  for (let round = 1; round < 5; round++) await pass(round * 1000);
  assert.ok(statSync(join(foldersOf(here.folder).store, 'data.mdb')).size <= size * 1.5);
  const { messages, freeOctets, usedOctets } = await spool.figures();
  assert.equal(messages, 0);
  assert.ok(usedOctets < 200_000 && freeOctets > 0);
  await spool.close();
});

describe('a full disk', { skip: canMount() ? false : 'needs the right to mount a small file system' }, () => {
  const small = async (use: (here: Scratch, spool: LmdbSpool) => Promise<void>): Promise<void> => {
    const parent = mkdtempSync(join(tmpdir(), 'postrider-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', parent]);
    const here = scratch(parent);
    const spool = await here.open();
    try {
      await use(here, spool);
    } finally {
      await spool.close();
      execFileSync('umount', [parent]);
      rmSync(parent, { recursive: true, force: true });
    }
  };

  /** Accepts until there is no room; gives how many. */
  async function fill(spool: LmdbSpool, content: Buffer): Promise<number> {
    for (let n = 0; ; n++) {
      try {
        await spool.accept([message(n, { content })], EPOCH);
      } catch (error) {
        assert.ok(error instanceof SpoolError && error.kind === 'full', String(error));
        return n;
      }
    }
  }

  for (const [kind, content] of [
    ['small content', Buffer.alloc(100_000, 'x')],
    ['large content', LARGE],
  ] as const)
    test(`${kind}: accept answers that it is full, settle goes on and makes room`, (t) =>
      small(async (here, spool) => {
        // What the library says of a write that failed, and may not survive.
        const failed = t.mock.method(console, 'error', () => undefined);
        const accepted = await fill(spool, content);
        assert.ok(accepted > 5);
        await assert.rejects(spool.accept([message(9000, { content })], EPOCH), { kind: 'full' });
        const read = new Reader(() => spool, 1000);
        assert.equal((await read.entries()).length, accepted);
        for (let n = 0; n < accepted; n++) {
          assert.ok((await read.octets(idOf(n)))?.equals(content), `message ${n}`);
          await spool.settle(settlement({ remove: [`${idOf(n)}/0`], events: ['{"event":"delivered"}'] }), EPOCH);
        }
        await until(async () => (await spool.figures()).freeOctets > 3_000_000);
        await spool.accept([message(9001, { content })], EPOCH);
        assert.ok((await read.octets(idOf(9001)))?.equals(content));
        assert.deepEqual(here.broken, []);
        assert.equal(failed.mock.callCount(), 0, 'no write has met the full disk');
      }));
});

function canMount(): boolean {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return false;
  const folder = mkdtempSync(join(tmpdir(), 'postrider-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    // A container without the right to mount.
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
