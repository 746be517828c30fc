import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { ScriptReceiver } from '../../test/lib/dialogue.ts';
import { certify } from '../../test/lib/pki.ts';
import { freePort } from '../../test/lib/processes.ts';
import { isListening, until } from '../../test/lib/wait.ts';
import { readConfig } from '../config/config.ts';
import { connectionCounts, SharedCounts } from '../receive/limits.ts';
import { SystemClock } from './clock.ts';
import { ListenerSet } from './listener-set.ts';
import { listenersOf, type ListenerSettings, workerSettings } from './settings.ts';
import { systemTimers } from './timers.ts';

const QUIET = { error: () => undefined, warn: () => undefined, info: () => undefined };

function newSet(t: TestContext): ListenerSet {
  const set = new ListenerSet({
    clock: new SystemClock(),
    timers: systemTimers,
    log: QUIET,
    counts: new SharedCounts(connectionCounts(1), 0),
    reusePort: false,
    makeReceiver: () => new ScriptReceiver(),
    tell: () => undefined,
  });
  t.after(() => set.drain(0));
  return set;
}

interface Wanted {
  readonly name: string;
  readonly port: number;
  readonly connections?: number;
}

function settings(hostname: string, ...wanted: readonly Wanted[]): readonly ListenerSettings[] {
  const listeners = wanted.map((one) => ({ host: '127.0.0.1', tls: 'off', ...one }));
  const config = readConfig({ hostname, listeners, tls: { selfSigned: false } }, '/');
  assert.ok(config.ok, JSON.stringify(config));
  return workerSettings(config.value, { certificate: '', key: '' }, () => 0).listeners;
}

async function dial(t: TestContext, port: number): Promise<{ socket: Socket; greeting: string }> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => socket.destroy());
  t.after(() => socket.destroy());
  const [greeting] = (await once(socket, 'data')) as [Buffer];
  return { socket, greeting: greeting.toString() };
}

async function reload(set: ListenerSet, wanted: readonly ListenerSettings[]): Promise<void> {
  await set.prepare(wanted);
  set.swap(wanted);
}

describe('ListenerSet', () => {
  test('a listener that stays goes on with new settings, and nobody is turned away', async (t) => {
    const set = newSet(t);
    const port = await freePort();
    await set.open(settings('one.test', { name: 'a', port }));
    const before = await dial(t, port);
    assert.match(before.greeting, /^220 one\.test/);
    await reload(set, settings('two.test', { name: 'renamed', port }));
    assert.match((await dial(t, port)).greeting, /^220 two\.test/);
    assert.deepEqual(set.addresses, [{ name: 'renamed', address: '127.0.0.1', port }]);
    before.socket.write('NOOP\r\n');
    assert.match(String(await once(before.socket, 'data')), /^250/);
    assert.equal(set.sessions, 2);
  });

  test('new ones are opened, those that are gone are closed, what is as before is not touched', async (t) => {
    const set = newSet(t);
    const [a, b] = [await freePort(), await freePort()];
    await set.open(settings('one.test', { name: 'a', port: a }));
    const kept = settings('one.test', { name: 'a', port: a }, { name: 'b', port: b });
    await reload(set, kept);
    assert.match((await dial(t, b)).greeting, /^220/);
    await reload(set, settings('one.test', { name: 'b', port: b }));
    await until('a to be closed', async () => !(await isListening(a)));
    assert.deepEqual(
      set.addresses.map(({ name }) => name),
      ['b'],
    );
  });

  test('one that cannot be opened changes nothing, and what was opened before it is closed', async (t) => {
    const set = newSet(t);
    const [a, b] = [await freePort(), await freePort()];
    await set.open(settings('one.test', { name: 'a', port: a }));
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const wanted = settings('two.test', { name: 'a', port: a }, { name: 'b', port: b }, { name: 'c', port });
    await assert.rejects(set.prepare(wanted), /listener c cannot listen/);
    await until('b to be closed', async () => !(await isListening(b)));
    assert.match((await dial(t, a)).greeting, /^220 one\.test/);
  });

  test('a reload that is abandoned leaves the old settings in force', async (t) => {
    const set = newSet(t);
    const [a, b] = [await freePort(), await freePort()];
    await set.open(settings('one.test', { name: 'a', port: a }));
    await set.prepare(settings('two.test', { name: 'a', port: a }, { name: 'b', port: b }));
    set.abandon();
    await until('b to be closed', async () => !(await isListening(b)));
    assert.match((await dial(t, a)).greeting, /^220 one\.test/);
    assert.equal(set.addresses.length, 1);
  });

  test('a stop waits for the sessions of a listener that a reload closed', async (t) => {
    const set = newSet(t);
    const [a, b] = [await freePort(), await freePort()];
    await set.open(settings('one.test', { name: 'a', port: a }));
    const { socket } = await dial(t, a);
    socket.write('EHLO c.test\r\n');
    await once(socket, 'data');
    socket.write('MAIL FROM:<>\r\n');
    await once(socket, 'data');
    await reload(set, settings('one.test', { name: 'b', port: b }));
    let stopped = false;
    const stopping = set.drain(60_000).then(() => (stopped = true));
    await until('b to be closed', async () => !(await isListening(b)));
    assert.equal(stopped, false);
    socket.write('RSET\r\n');
    assert.match(String(await once(socket, 'data')), /^250/);
    socket.end();
    await stopping;
  });
});

test('a change of certificates is seen by the next client, and by none that is there', async (t) => {
  const set = newSet(t);
  const port = await freePort();
  const [one, two] = [
    await certify({ subject: 'one', names: ['one.test'] }),
    await certify({ subject: 'two', names: ['two.test'] }),
  ];
  const config = readConfig(
    { hostname: 'mx.test', listeners: [{ name: 'a', host: '127.0.0.1', port, tls: 'implicit' }] },
    '/',
  );
  assert.ok(config.ok);
  const shownBy = (party: typeof one) =>
    listenersOf(config.value, { certificate: party.cert, key: party.key }, () => 0);
  const greeted = async () => {
    const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    client.on('error', () => undefined);
    t.after(() => client.destroy());
    await once(client, 'data');
    return client;
  };
  await set.open(shownBy(one));
  const before = await greeted();
  await set.change(shownBy(two));
  const after = await greeted();
  assert.equal(before.getPeerCertificate().subject.CN, 'one');
  assert.equal(after.getPeerCertificate().subject.CN, 'two');
  before.write('NOOP\r\n');
  assert.match(String(await once(before, 'data')), /^250/);
  assert.deepEqual(set.addresses, [{ name: 'a', address: '127.0.0.1', port }]);
});
