/** From what a person writes to what the parts take. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../test/lib/entries.ts';
import { address } from '../../test/lib/queue-parts.ts';
import { type Config, readConfig } from '../config/config.ts';
import {
  planOf,
  queueSettings,
  receiveSettings,
  routeOfEntry,
  schedulerOptions,
  workerCount,
  workerSettings,
} from './settings.ts';

function configOf(changes: object = {}): Config {
  const read = readConfig(
    {
      hostname: 'us.test',
      local: { domains: ['local.test'], route: 'boxes', mailboxes: ['Ann', 'bob@local.test'] },
      routes: [{ name: 'boxes', kind: 'discard' }],
      dns: { servers: ['127.0.0.1:53'] },
      ...changes,
    },
    '/nonexistent',
  );
  assert.ok(read.ok, JSON.stringify(read));
  return read.value;
}

const NO_CERTIFICATES = { certificate: '', key: '' };

describe('threads for sessions and deliveries', () => {
  for (const [name, changes, count] of [
    ['are as many as written', { workers: 3, listeners: [{ name: 'a', port: 2525 }] }, 3],
    [
      'are one where the system chooses a port: others could not listen on it',
      { workers: 3, listeners: [{ name: 'a', port: 0 }] },
      1,
    ],
  ] as const)
    test(name, { skip: process.platform !== 'linux' }, () => assert.equal(workerCount(configOf(changes)), count));

  test('are at least one, and none cannot be written', () => {
    assert.ok(workerCount(configOf()) >= 1);
    assert.equal(readConfig({ hostname: 'us.test', workers: 0 }, '/').ok, false);
  });
});

describe('receiving', () => {
  test('honours every limit that is written', () => {
    const limits = {
      messageOctets: 100_000,
      headerOctets: 20_000,
      hops: 12,
      recipients: 7000,
      transactions: 5,
      errors: 4,
      commandOctets: 1000,
      lineOctets: 2000,
    };
    const config = configOf({
      limits,
      listeners: [{ name: 'a', port: 2525, connections: 9, connectionsPerClient: 8 }],
    });
    const receive = receiveSettings(config);
    assert.deepEqual([receive.maxOctets, receive.maxHeaderOctets, receive.maxHops], [100_000, 20_000, 12]);
    assert.ok(receive.maxTargets > 7000);
    const [listener] = workerSettings(config, NO_CERTIFICATES, () => 0).listeners;
    assert.deepEqual([listener!.maxConnections, listener!.maxConnectionsPerClient], [9, 8]);
    const { machine } = listener!;
    assert.deepEqual(
      [machine.maxContentOctets, machine.maxRecipients, machine.maxTransactions, machine.maxErrors],
      [100_000, 7000, 5, 4],
    );
    assert.deepEqual([machine.maxCommandOctets, machine.maxLineOctets], [1000, 2000]);
  });

  test('knows its mailboxes, however they are written', () => {
    const { mailboxExists } = receiveSettings(configOf());
    const known = ['ann@local.test', 'ANN@local.test', 'bob@local.test', 'bob@other.test', 'eve@local.test'];
    assert.deepEqual(
      known.map((text) => mailboxExists(address(text))),
      [true, true, true, false, false],
    );
  });

  test('trusts the networks that are written, and nobody else', () => {
    const { relay, optionsFrom } = receiveSettings(configOf({ relay: { networks: ['10.0.0.0/8'] } }));
    assert.deepEqual(
      ['10.1.1.1', '::ffff:10.1.1.1', '11.1.1.1', '127.0.0.1', 'nonsense'].map((text) => relay.isTrusted(text)),
      [true, true, false, false, false],
    );
    assert.equal(optionsFrom('192.0.2.1'), false);
  });
});

describe('a listener', () => {
  test('is another one when anything in it is, and the same when nothing is', () => {
    const key = (changes: object, certificate = ''): string =>
      workerSettings(configOf(changes), { certificate, key: '' }, () => 0).listeners[0]!.key;
    const listeners = [{ name: 'a', port: 2525 }];
    assert.equal(key({ listeners }), key({ listeners, softBounce: true }));
    assert.notEqual(key({ listeners }), key({ listeners: [{ name: 'a', port: 2525, connections: 3 }] }));
    assert.notEqual(key({ listeners }), key({ listeners, limits: { hops: 50 } }));
    assert.notEqual(key({ listeners }, 'old'), key({ listeners }, 'new'));
  });

  test('is where mail is never sent, by whatever name of its address', () => {
    const own = (host: string) =>
      workerSettings(configOf({ listeners: [{ name: 'a', host, port: 2525 }] }), NO_CERTIFICATES, () => 0).isOurs;
    assert.deepEqual([own('127.0.0.1')('127.0.0.1', 2525), own('127.0.0.1')('127.0.0.1', 25)], [true, false]);
    assert.deepEqual([own('127.0.0.1')('::ffff:127.0.0.1', 2525), own('127.0.0.1')('192.0.2.1', 2525)], [true, false]);
    assert.equal(own('::')('127.0.0.1', 2525), true);
    assert.equal(own('0.0.0.0')('192.0.2.1', 2525), false);
  });
});

test('an entry whose route is gone goes the way that new mail would', () => {
  const plan = planOf(configOf());
  const entry = entryOf({ routingDomain: 'local.test', route: 'gone' });
  assert.equal(routeOfEntry(plan, 'gone', entry)?.name, 'boxes');
  assert.equal(routeOfEntry(plan, 'unrouted', entry)?.kind, 'fail');
  assert.equal(routeOfEntry(plan, 'gone', { ...entry, recipients: [] as never }), undefined);
});

test('what is not written of the retries stays as it is shipped', () => {
  const written = configOf({ queue: { retry: { schedules: { greylisted: { first: '1m' } } } } });
  const { schedules } = schedulerOptions(written).retry;
  const shipped = schedulerOptions(configOf()).retry.schedules;
  assert.notDeepEqual(schedules.greylisted, shipped.greylisted);
  assert.deepEqual(schedules.dns, shipped.dns);
});

test('the postmaster is completed with our own name', () => {
  const { postmaster, softBounce } = queueSettings(configOf(), true);
  assert.deepEqual([postmaster.localPart, postmaster.domain, softBounce], ['postmaster', 'us.test', true]);
});
