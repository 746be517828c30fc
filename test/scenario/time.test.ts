/** Mail that waits: for hours and days of simulated time, told to its sender when it must be, and over in the end. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeferredEvent } from '../../src/events/event.ts';
import { DAY, HOUR, MINUTE } from '../../src/lib/time.ts';
import { eventsOf, reportOf, startMailWorld } from '../lib/mail-world.ts';
import { until } from '../lib/wait.ts';

test('a destination is down for a day, then up: all mail arrives, once, and only the delay was told', async () => {
  const mail = await startMailWorld();
  try {
    const to = ['bob@far.test', 'eve@far.test'];
    const ids = [await mail.send([to[0]!]), await mail.send([to[1]!], { from: 'eva@home.test' })];
    await mail.pass(DAY);
    assert.equal((await eventsOf(mail, 'delivered')).filter(({ route }) => route === 'out').length, 0);
    const deferrals = await eventsOf(mail, 'deferred');
    assert.ok(deferrals.every(({ reason, scope }) => reason === 'connection' && scope !== 'recipient'));
    // Two minutes, doubled up to two hours: about 17 in a day for each, and none of them in a storm.
    for (const id of ids) {
      const own = deferrals.filter(({ queueId }) => queueId === id);
      assert.ok(own.length >= 10 && own.length <= 40, `${own.length} deferrals of one message in a day`);
      assert.ok(own.every(({ at, nextAttemptAt }) => nextAttemptAt - at <= 2.3 * HOUR));
    }

    await mail.up();
    await mail.passUntil('delivery', () => mail.world.messages.length >= 2);
    await mail.empty();
    assert.deepEqual(mail.world.recipients().toSorted(), to);
    const delivered = (await eventsOf(mail, 'delivered')).filter(({ route }) => route === 'out');
    assert.deepEqual(delivered.map(({ queueId }) => queueId).toSorted(), ids.toSorted());
    assert.ok(delivered.every(({ delays }) => delays.inQueue >= DAY && delays.inQueue < DAY + 3 * HOUR));
    assert.deepEqual(
      (await eventsOf(mail, 'dsn'))
        .map(({ action, to }) => ({ action, to }))
        .toSorted((a, b) => (a.to < b.to ? -1 : 1)),
      [
        { action: 'delayed', to: 'ann@home.test' },
        { action: 'delayed', to: 'eva@home.test' },
      ],
    );
    assert.deepEqual(mail.home.recipients().toSorted(), ['ann@home.test', 'eva@home.test']);
  } finally {
    await mail.close();
  }
});

test('a message that nobody takes expires after five days with exactly one failure report', async () => {
  const mail = await startMailWorld({ world: { recipient: () => '451 4.3.0 not today' } });
  try {
    const id = await mail.send(['bob@far.test', 'eve@far.test']);
    const [accepted] = await eventsOf(mail, 'accepted', id);
    const [expired] = await mail.passUntil('expiry', async () => {
      const found = await eventsOf(mail, 'expired', id);
      return found.length > 0 && found;
    });
    await mail.empty();
    const age = expired!.at - accepted!.at;
    assert.ok(age >= 5 * DAY && age < 5 * DAY + 10 * MINUTE, `it expired after ${age / DAY} days`);
    assert.deepEqual(expired!.recipients, ['bob@far.test', 'eve@far.test']);
    assert.equal(expired!.reply, '451 4.3.0 not today');
    assert.equal((await eventsOf(mail, 'expired')).length, 1);
    assert.equal((await eventsOf(mail, 'attempt', id)).length, expired!.attempt, 'every attempt is counted');
    assert.ok(expired!.attempt >= 20 && expired!.attempt <= 60, `${expired!.attempt} attempts in five days`);

    const reports = mail.home.messages.map((message) => ({
      to: message.recipients[0]!.address,
      report: reportOf(message),
    }));
    assert.deepEqual(
      reports.map(({ to, report }) => ({ to, actions: report.map((group) => group['Action']) })),
      [
        { to: 'ann@home.test', actions: ['delayed', 'delayed'] },
        { to: 'ann@home.test', actions: ['failed', 'failed'] },
      ],
    );
    for (const group of reports[1]!.report) {
      assert.equal(group['Status'], '4.4.7', 'the time is over');
      assert.match(group['Diagnostic-Code']!, /451 4\.3\.0 not today/);
    }
    assert.ok(mail.home.messages.every(({ reversePath }) => reversePath === ''));
  } finally {
    await mail.close();
  }
});

test('the sender hears once that mail is late, after four hours; the sender of bulk mail hears nothing', async () => {
  const mail = await startMailWorld({ world: { recipient: () => '451 4.3.0 not now' } });
  try {
    const id = await mail.send(['bob@far.test']);
    await mail.send(['eve@far.test'], { from: 'list@home.test', fields: 'X-Postrider-Class: bulk\r\n' });
    const [accepted] = await eventsOf(mail, 'accepted', id);
    await mail.pass(3.9 * HOUR);
    assert.deepEqual(mail.home.messages, []);
    await mail.pass(0.2 * HOUR);
    const [warning] = await until('the warning', () => mail.home.messages.length > 0 && mail.home.messages);
    const told = await until('its event', async () => (await eventsOf(mail, 'dsn'))[0]);
    assert.deepEqual([told.action, told.about, told.to], ['delayed', id, 'ann@home.test']);
    const age = told.at - accepted!.at;
    assert.ok(age >= 4 * HOUR && age < 4.2 * HOUR, `told after ${age / HOUR} hours`);
    const [group, ...more] = reportOf(warning!);
    assert.deepEqual([group!['Action'], group!['Final-Recipient'], more], ['delayed', 'rfc822;bob@far.test', []]);
    assert.ok(group!['Will-Retry-Until'] !== undefined, 'it says until when it will be tried');

    await mail.pass(2 * DAY);
    assert.equal((await eventsOf(mail, 'dsn')).length, 1, 'once is enough');
    await mail.down();
    await mail.up();
    await mail.passUntil('both delivered', () => mail.world.messages.length === 2);
    await mail.empty();
    assert.deepEqual(mail.home.recipients(), ['ann@home.test']);
    assert.deepEqual(mail.world.recipients().toSorted(), ['bob@far.test', 'eve@far.test']);
  } finally {
    await mail.close();
  }
});

test('a receiver that says when to come back is asked again then, and not before', async () => {
  const first = '450 4.2.0 busy, please try again in 300 seconds';
  const mail = await startMailWorld({ world: { recipient: (_, asked) => (asked === 1 ? first : undefined) } });
  try {
    const id = await mail.send(['bob@far.test']);
    const deferred = (await mail.product.event('deferral', ({ kind }) => kind === 'deferred')) as DeferredEvent;
    const wait = deferred.nextAttemptAt - deferred.at;
    assert.ok(wait >= 5 * MINUTE && wait <= 5.5 * MINUTE, `again in ${wait} ms`);
    await mail.pass(4.9 * MINUTE);
    assert.deepEqual(mail.world.asked, ['bob@far.test'], 'asked once so far');
    await mail.passUntil('delivery', () => mail.world.messages.length === 1);
    await mail.empty();
    const attempts = await eventsOf(mail, 'attempt', id);
    assert.equal(attempts.length, 2);
    assert.ok(attempts[1]!.at - attempts[0]!.at < 6 * MINUTE);
  } finally {
    await mail.close();
  }
});

test('mail for a name that cannot be looked up waits, and goes when the name is there', async () => {
  const mail = await startMailWorld({ world: {}, config: { dns: { servers: ['127.0.0.1:9'], timeout: '100ms' } } });
  try {
    await mail.send(['bob@far.test']);
    const deferred = (await mail.product.event('deferral', ({ kind }) => kind === 'deferred')) as DeferredEvent;
    assert.deepEqual([deferred.reason, deferred.host], ['dns', '']);
    assert.match(deferred.status, /^4\.4\.3$/);
    assert.deepEqual((await eventsOf(mail, 'failed')).length, 0);
    await until('it waits', async () => (await mail.product.control.list({ reason: 'dns' })).entries.length === 1);
  } finally {
    await mail.close();
  }
});
