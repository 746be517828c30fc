import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { DAY, HOUR } from '../lib/time.ts';
import { TlsHostFiles, TlsHosts } from './tls-hosts.ts';

describe('hosts that offered encryption', () => {
  test('are known for a month after they were last seen', () => {
    const clock = new HandClock();
    const hosts = new TlsHosts(clock);
    assert.ok(!hosts.knows('mx.test'));
    hosts.seen('mx.test');
    clock.advance(29 * DAY);
    assert.ok(hosts.knows('mx.test'));
    hosts.seen('mx.test');
    clock.advance(29 * DAY);
    assert.ok(hosts.knows('mx.test'));
    clock.advance(DAY);
    assert.ok(!hosts.knows('mx.test'));
  });

  test('are written when something is new, once a day at most for each', () => {
    const clock = new HandClock();
    const hosts = new TlsHosts(clock);
    assert.ok(!hosts.changed);
    hosts.seen('mx.test');
    assert.ok(hosts.changed);
    hosts.write();
    clock.advance(HOUR);
    hosts.seen('mx.test');
    assert.ok(!hosts.changed);
    clock.advance(DAY);
    hosts.seen('mx.test');
    assert.ok(hosts.changed);
  });

  test('are bounded: the one seen longest ago makes room', () => {
    const hosts = new TlsHosts(new HandClock(), 2);
    for (const name of ['a.test', 'b.test', 'c.test']) hosts.seen(name);
    assert.deepEqual(
      ['a.test', 'b.test', 'c.test'].map((name) => hosts.knows(name)),
      [false, true, true],
    );
  });

  test('are read as they were written, and the later time counts', () => {
    const clock = new HandClock();
    const hosts = new TlsHosts(clock);
    hosts.seen('mx.test');
    const text = hosts.write();
    clock.advance(20 * DAY);
    const other = new TlsHosts(clock);
    other.seen('mx.test');
    other.read(text);
    clock.advance(20 * DAY);
    assert.ok(other.knows('mx.test'));
    const third = new TlsHosts(clock);
    third.read(text);
    assert.ok(!third.knows('mx.test'));
  });

  test('whatever is read, nothing breaks', () => {
    const hosts = new TlsHosts(new HandClock());
    fc.assert(fc.property(fc.string(), (text) => hosts.read(`${text}\nmx.test 1700000000000\n${text}`)));
    assert.ok(hosts.knows('mx.test'));
  });

  test('survive a restart, and come to other workers', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postrider-'));
    t.after(() => rm(folder, { recursive: true }));
    const clock = new HandClock();
    const saw = new TlsHosts(clock);
    const files = new TlsHostFiles(join(folder, 'hosts'), 0);
    await files.load(saw);
    saw.seen('mx.test');
    await files.save(saw);
    await writeFile(join(folder, 'hosts', '7.hosts'), 'garbage\0\nmx2.test nonsense\nmx3.test 1700000000000\n');
    for (const worker of [0, 1]) {
      const hosts = new TlsHosts(clock);
      await new TlsHostFiles(join(folder, 'hosts'), worker).load(hosts);
      assert.deepEqual(
        ['mx.test', 'mx2.test', 'mx3.test'].map((name) => hosts.knows(name)),
        [true, false, true],
      );
    }
  });
});
