/** The queue of a stopped server: the same operations, on the same lock. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { logInto, messageOf } from '../../test/lib/queue-parts.ts';
import { acmeFiles, writeWhole } from '../acme/files.ts';
import { Refusal } from '../api/contract.ts';
import { readConfig } from '../config/config.ts';
import { Archivist } from '../events/archivist.ts';
import { eventLine, parseEvent } from '../events/format.ts';
import { EVENTS } from '../events/samples.ts';
import { segmentName, segmentPath } from '../events/segments.ts';
import { openLmdbSpool } from '../spool/lmdb/open.ts';
import { idOf } from '../spool/spool.fixtures.contract.ts';
import { controlSocket } from '../api/control-socket.ts';
import { compactOffline, openOffline } from './offline.ts';
import { takeSpoolLock } from './spool-lock.ts';
import { systemTimers } from './timers.ts';

/** A folder with the spool of a server that has stopped. */
async function stopped(t: TestContext, messages = 2): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'offline-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const onBroken = (error: unknown): void => assert.fail(String(error));
  const spool = await openLmdbSpool({ folder, log: logInto([]), timers: systemTimers, onBroken });
  for (let n = 1; n <= messages; n += 1)
    await spool.accept([messageOf([entryOf({ id: `${idOf(n)}/0`, dueAt: 9e12 })])], 1);
  await spool.close();
  return folder;
}

const refused = (kind: Refusal['kind']) => (error: unknown) => error instanceof Refusal && error.kind === kind;

describe('the queue of a stopped server', () => {
  test('is listed and changed, and the next one finds it so', async (t) => {
    const folder = await stopped(t);
    const queue = await openOffline(folder);
    assert.equal((await queue.list({})).entries.length, 2);
    assert.deepEqual(await queue.hold({ select: { id: idOf(1) } }), { entries: 1, inFlight: 0 });
    assert.deepEqual(await queue.remove({ select: { id: idOf(2) } }), { entries: 1, inFlight: 0 });
    assert.deepEqual((await queue.message({ id: idOf(1) })).events, []);
    await queue.close();
    const again = await openOffline(folder);
    assert.deepEqual(
      (await again.list({})).entries.map(({ id, lane }) => [id, lane]),
      [[`${idOf(1)}/0`, 'held']],
    );
    await again.close();
  });

  test('keeps a change of the directory on record for the log of the next one', async (t) => {
    const folder = await stopped(t, 0);
    const offline = await openOffline(folder);
    await offline.addCredential({ user: 'ann', password: 'correct horse', by: 'cli:operator' });
    await assert.rejects(offline.addCredential({ user: 'ann' }), refused('conflict'));
    assert.deepEqual(await offline.events({}), { events: [], next: undefined });
    await offline.close();
    const onBroken = (error: unknown): void => assert.fail(String(error));
    const spool = await openLmdbSpool({ folder, log: logInto([]), timers: systemTimers, onBroken });
    const { rows } = await spool.outbox(0, 100);
    await spool.close();
    assert.equal(rows.length, 1);
    const event = parseEvent(rows[0]!.lines);
    assert.ok(event.ok && event.value.kind === 'directoryChanged');
    const { action, what, name, by, changes } = event.value;
    assert.deepEqual([action, what, name, by, changes], ['added', 'user', 'ann', 'cli:operator', ['disabled: no']]);
  });

  test('shows what had happened until it stopped, a page at a time', async (t) => {
    const folder = await stopped(t, 0);
    const events = join(folder, 'events');
    const archivist = await Archivist.open({
      ...{ folder: events, historyFile: join(events, 'history.db'), retentionDays: 30, log: logInto([]) },
      clock: { now: () => EVENTS.resumed.at, monotonic: () => 0 },
    });
    const told = [EVENTS.resumed, EVENTS.directoryChanged, EVENTS.tls].map((event, n) => ({
      ...event,
      at: event.at + n,
    }));
    await writeFile(
      segmentPath(events, segmentName(EVENTS.resumed.at), 'plain'),
      `${told.map(eventLine).join('\n')}\n`,
    );
    while ((await archivist.step()) === 'more');
    archivist.close();
    const offline = await openOffline(folder);
    t.after(() => offline.close());
    const first = await offline.events({ limit: 2 });
    assert.deepEqual(first.events, told.slice(1).toReversed());
    assert.deepEqual((await offline.events({ limit: 2, after: first.next! })).events, told.slice(0, 1));
    assert.deepEqual((await offline.events({ kind: 'directoryChanged' })).events, told.slice(1, 2));
    await assert.rejects(offline.events({ after: 'x' }), refused('invalid'));
  });

  test('is held by one at a time, and free again after it', async (t) => {
    const folder = await stopped(t);
    const queue = await openOffline(folder);
    await assert.rejects(openOffline(folder), refused('conflict'));
    await assert.rejects(compactOffline(folder), refused('conflict'));
    assert.equal(await takeSpoolLock(folder), undefined);
    await queue.close();
    (await takeSpoolLock(folder))!.release();
  });

  test('is refused while a server has it, and that one is to be stopped', async (t) => {
    const folder = await stopped(t);
    const lock = (await takeSpoolLock(folder))!;
    const server = createServer().listen(controlSocket(folder));
    t.after(() => server.close());
    await once(server, 'listening');
    const want = new RegExp(`^Error: a server has the spool ${folder} open; stop it first$`);
    for (const work of [openOffline, compactOffline]) await assert.rejects(work(folder), want);
    lock.release();
  });

  test('is copied and compacted', async (t) => {
    const folder = await stopped(t);
    assert.ok((await compactOffline(folder)).octetsAfter > 0);
    const queue = await openOffline(folder);
    const copy = join(folder, '..', `${folder.split('/').at(-1)}-copy`);
    t.after(() => rm(copy, { recursive: true, force: true }));
    await queue.addCredential({ user: 'ann', password: 'correct horse' });
    assert.equal((await queue.backup({ folder: copy })).messages, 2);
    assert.equal(existsSync(join(copy, 'acme')), false);
    await queue.close();
    const copied = await openOffline(copy);
    assert.equal((await copied.list({})).entries.length, 2);
    assert.deepEqual(
      (await copied.credentials()).credentials.map(({ user }) => user),
      ['ann'],
    );
    await copied.close();
  });

  test('is copied with what ACME has brought, for its owner only', async (t) => {
    const folder = await stopped(t);
    const copy = `${folder}-copy`;
    t.after(() => rm(copy, { recursive: true, force: true }));
    const from = acmeFiles(folder);
    for (const file of [from.accountKey, from.certificate, from.state]) await writeWhole(file, `this is ${file}`);
    const queue = await openOffline(folder);
    await queue.backup({ folder: copy });
    await queue.close();
    const to = acmeFiles(copy);
    assert.deepEqual((await readdir(to.folder)).sort(), ['account-key.pem', 'certificate.pem', 'state.json']);
    for (const name of ['accountKey', 'certificate', 'state'] as const) {
      assert.equal(await readFile(to[name], 'utf8'), `this is ${from[name]}`);
      assert.equal((await stat(to[name])).mode & 0o777, 0o600);
    }
    assert.equal((await stat(to.folder)).mode & 0o777, 0o700);
    const copied = await openOffline(copy);
    assert.deepEqual((await copied.check()).problems, []);
    await copied.close();
  });

  test('knows the records of domains as the configuration has them, or says that it does not', async (t) => {
    const folder = await stopped(t, 0);
    const config = readConfig({ hostname: 'mx.a.test', tlsReports: { address: 'reports@a.test' } }, '/');
    assert.ok(config.ok);
    const queue = await openOffline(folder, config.value);
    const { records } = await queue.addDomain({ domain: 'a.test' });
    await queue.close();
    const valueOf = (name: string) => records.find(({ purpose }) => purpose === name)?.value;
    assert.equal(valueOf('tlsRpt'), 'v=TLSRPTv1; rua=mailto:reports@a.test');
    assert.equal(valueOf('spf'), 'v=spf1 a:mx.a.test mx ~all');
    const unknowing = await openOffline(folder);
    assert.match((await unknowing.domain({ domain: 'a.test' })).notes[0] ?? '', /ask again with --config/);
    await unknowing.close();
  });

  test('checks itself too, and can be closed afterwards', async (t) => {
    const queue = await openOffline(await stopped(t));
    assert.deepEqual(await queue.check(), { messages: 2, entries: 2, problems: [] });
    await queue.close();
  });
});

describe('a folder without a spool', () => {
  for (const [name, make] of [
    ['that does not exist', false],
    ['that is empty', true],
  ] as const)
    test(`${name} is refused, and nothing is made in it`, async (t) => {
      const parent = await mkdtemp(join(tmpdir(), 'offline-'));
      t.after(() => rm(parent, { recursive: true }));
      const folder = join(parent, 'spool');
      if (make) await mkdir(folder);
      for (const work of [openOffline, compactOffline]) await assert.rejects(work(folder), refused('notFound'));
    });
});
