/** Refusals and reports: who is told what, how often, and who is never told. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fieldOf } from '../lib/arrived.ts';
import { eventsOf, reportOf, startMailWorld } from '../lib/mail-world.ts';
import { type Received, type ReceiverOptions } from '../lib/receiver.ts';
import { until } from '../lib/wait.ts';

/** By the local part of the recipient. */
const ANSWERS: Readonly<Record<string, (asked: number) => string | undefined>> = {
  unknown: () => '550 5.1.1 <unknown>: no such user',
  full: () => '552 5.2.2 mailbox full',
  later: (asked) => (asked <= 2 ? '451 4.3.0 come back later' : undefined),
};

const answering: ReceiverOptions = {
  recipient: (address, asked) => ANSWERS[address.slice(0, address.search(/[.@]/))]?.(asked),
};

const mail = await startMailWorld({
  world: answering,
  home: answering,
  config: { bounce: { perSenderAndHour: 1000 }, local: { postmaster: 'postmaster@home.test' } },
});
after(() => mail.close());

/** What arrived at home for one address. */
function homeOf(address: string): readonly Received[] {
  return mail.home.messages.filter(({ recipients }) => recipients.some((one) => one.address === address));
}

function worldOf(address: string): readonly Received[] {
  return mail.world.messages.filter(({ recipients }) => recipients.some((one) => one.address === address));
}

async function reportsTo(address: string): Promise<readonly string[]> {
  return (await eventsOf(mail, 'dsn')).filter(({ to }) => to === address).map(({ action }) => action);
}

async function kindsOf(id: string): Promise<readonly string[]> {
  const own = (await mail.product.events()).filter((event) => 'queueId' in event && event.queueId === id);
  return own.map(({ kind }) => kind);
}

test('a message that is put off twice is delivered at the third attempt, and nobody is told', async () => {
  const id = await mail.send(['later.a@far.test'], { from: 'patient@home.test' });
  await mail.passUntil('delivery', () => worldOf('later.a@far.test').length === 1);
  await mail.empty();
  assert.deepEqual(await kindsOf(id), [
    ...['accepted', 'attempt', 'deferred', 'attempt', 'deferred', 'attempt', 'delivered'],
  ]);
  const [delivered] = await eventsOf(mail, 'delivered', id);
  assert.deepEqual([delivered!.attempt, delivered!.recipients], [3, ['later.a@far.test']]);
  assert.deepEqual(homeOf('patient@home.test'), []);
});

test('one of three recipients is refused: two are delivered, and one report names exactly the one', async () => {
  const to = ['bob.1@far.test', 'unknown.1@far.test', 'eve.1@far.test'];
  const id = await mail.send(to, { from: 'three@home.test' });
  const [report] = await until('the report', () => homeOf('three@home.test').length > 0 && homeOf('three@home.test'));
  await mail.empty();
  assert.deepEqual(
    mail.world.recipients().filter((address) => to.includes(address)),
    [to[0], to[2]],
  );
  const [failed, ...more] = await eventsOf(mail, 'failed', id);
  assert.deepEqual([failed!.recipients, failed!.status, failed!.scope, more], [[to[1]], '5.1.1', 'recipient', []]);
  const [delivered] = await eventsOf(mail, 'delivered', id);
  assert.deepEqual(delivered!.recipients, [to[0], to[2]]);

  assert.equal(homeOf('three@home.test').length, 1);
  assert.equal(report!.reversePath, '');
  assert.deepEqual(
    reportOf(report!).map((group) => [group['Final-Recipient'], group['Action'], group['Status'], group['Remote-MTA']]),
    [['rfc822;unknown.1@far.test', 'failed', '5.1.1', 'dns; mx.far.test']],
  );
  assert.match(reportOf(report!)[0]!['Diagnostic-Code']!, /^smtp; 550 5\.1\.1 <unknown>: no such user$/);
  assert.match(report!.content, /^Message-ID: <first@home\.test>\r$/m, 'the header section of the message');
  assert.equal(fieldOf(Buffer.from(report!.content), 'auto-submitted'), 'auto-replied');
});

test('recipients of two domains that are refused together are told of in one report', async () => {
  await mail.send(['unknown.2@far.test', 'full.2@near.test'], { from: 'both@home.test' });
  // `near.test` does not exist in the DNS of this world: a failure of another kind.
  await until('the report', () => homeOf('both@home.test').length > 0);
  await mail.empty();
  const groups = homeOf('both@home.test').map((report) => reportOf(report).map((group) => group['Status']));
  assert.deepEqual(groups, [['5.1.1', '5.1.2']]);
});

test('the sender who asks for success is told that the message was passed on to a server that tells no more', async () => {
  const id = await mail.send(['bob.3@far.test'], {
    from: 'curious@home.test',
    rcpt: 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@old.test',
    mail: 'RET=HDRS ENVID=QQ314',
  });
  const [report] = await until('it', () => homeOf('curious@home.test').length > 0 && homeOf('curious@home.test'));
  await mail.empty();
  const [group, ...more] = reportOf(report!);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [group!['Action'], group!['Original-Recipient'], group!['Final-Recipient']],
    ['relayed', 'rfc822;Bob@old.test', 'rfc822;bob.3@far.test'],
  );
  assert.match(report!.content, /^Original-Envelope-Id: QQ314\r$/m);
  assert.deepEqual(await kindsOf(id), ['accepted', 'attempt', 'delivered']);
  assert.deepEqual(await reportsTo('curious@home.test'), ['relayed']);
});

test('a next hop that tells by itself gets what the sender asked for, and tells in our place', async () => {
  await mail.down();
  await mail.up({ ...answering, offers: ['DSN'] });
  await mail.send(['bob.4@far.test'], {
    from: 'asking@home.test',
    rcpt: 'NOTIFY=SUCCESS ORCPT=rfc822;Bob@old.test',
    mail: 'RET=FULL ENVID=QQ4',
  });
  await mail.passUntil('delivery', () => worldOf('bob.4@far.test').length === 1);
  await mail.empty();
  const [message] = worldOf('bob.4@far.test');
  assert.match(message!.parameters, /\bRET=FULL\b/);
  assert.match(message!.parameters, /\bENVID=QQ4\b/);
  assert.equal(message!.recipients[0]!.parameters, 'NOTIFY=SUCCESS ORCPT=rfc822;Bob@old.test');
  assert.deepEqual(await reportsTo('asking@home.test'), []);
  await mail.down();
  await mail.up(answering);
});

test('the sender who wants to hear nothing hears nothing, and the mail goes all the same', async () => {
  const id = await mail.send(['unknown.5@far.test', 'bob.5@far.test'], {
    from: 'deaf@home.test',
    rcpt: 'NOTIFY=NEVER',
  });
  await mail.passUntil('delivery', () => worldOf('bob.5@far.test').length === 1);
  await mail.empty();
  assert.equal((await eventsOf(mail, 'failed', id)).length, 1);
  assert.deepEqual(await reportsTo('deaf@home.test'), []);
  assert.deepEqual(homeOf('deaf@home.test'), []);
});

test('mail from the null reverse-path that fails goes to the postmaster once, and never to <>', async () => {
  const before = homeOf('postmaster@home.test').length;
  const id = await mail.send(['unknown.6@far.test'], { from: '' });
  const [...reports] = await until('the postmaster', () => {
    const now = homeOf('postmaster@home.test').slice(before);
    return now.length > 0 && now;
  });
  await mail.empty();
  assert.equal(reports.length, 1);
  assert.equal(reports[0]!.reversePath, '');
  assert.equal(reportOf(reports[0]!)[0]!['Final-Recipient'], 'rfc822;unknown.6@far.test');
  const told = (await eventsOf(mail, 'dsn')).filter(({ about }) => about === id);
  assert.deepEqual(
    told.map(({ to }) => to),
    ['postmaster@home.test'],
  );
  assert.ok((await eventsOf(mail, 'dsn')).every(({ to }) => to !== ''));
});

test('a report that its sender does not take goes to the postmaster, and there it ends', async () => {
  const before = homeOf('postmaster@home.test').length;
  const id = await mail.send(['unknown.7@far.test'], { from: 'unknown.sender@home.test' });
  await until('the postmaster', () => homeOf('postmaster@home.test').length > before);
  await mail.empty();
  const first = (await eventsOf(mail, 'dsn')).find(({ about }) => about === id);
  assert.equal(first!.to, 'unknown.sender@home.test');
  const [second, ...more] = (await eventsOf(mail, 'dsn')).filter(({ about }) => about === first!.queueId);
  assert.deepEqual([second!.to, more], ['postmaster@home.test', []]);
  assert.equal(homeOf('postmaster@home.test').length, before + 1);
  assert.equal(homeOf('unknown.sender@home.test').length, 0);
});

test('a postmaster who takes nothing does not make reports breed', async () => {
  const reports = (await eventsOf(mail, 'dsn')).length;
  mail.product.configure({
    ...(await configured()),
    local: { postmaster: 'unknown.postmaster@home.test' },
  });
  const { result, problems } = await mail.product.control.reload();
  assert.deepEqual([result, problems], ['swapped', []]);
  await mail.send(['unknown.8@far.test'], { from: 'unknown.sender@home.test' });
  await until('the last report', async () => (await eventsOf(mail, 'dsn')).length === reports + 3);
  await mail.empty();
  const to = (await eventsOf(mail, 'dsn')).slice(reports).map((event) => event.to);
  assert.deepEqual(to, ['unknown.sender@home.test', 'unknown.postmaster@home.test', '']);
});

test('in the end everybody has had an end: accepted recipients are delivered, failed or told of, and nothing waits', async () => {
  const events = await mail.product.events();
  const ends = events.flatMap((event) =>
    event.kind === 'delivered' || event.kind === 'failed' || event.kind === 'expired'
      ? event.recipients.map((recipient) => `${event.queueId} ${recipient}`)
      : [],
  );
  assert.equal(new Set(ends).size, ends.length, 'nobody ends twice');
  const accepted = events.flatMap((event) =>
    event.kind === 'accepted' ? event.recipients.map((recipient) => `${event.queueId} ${recipient}`) : [],
  );
  const reports = events.flatMap((event) =>
    event.kind === 'dsn' && event.to !== '' ? [`${event.queueId} ${event.to}`] : [],
  );
  assert.deepEqual(ends.toSorted(), [...accepted, ...reports].toSorted());
  const { spool } = await mail.product.control.status();
  assert.deepEqual([spool.messages, spool.entries], [0, 0]);
  assert.equal(await mail.product.stop(), 0);
  const checked = await mail.product.cli('check');
  assert.equal(checked.code, 0, checked.output);
});

/** The configuration as it is now. */
async function configured(): Promise<object> {
  const module: { readonly default: object } = await import(mail.product.configFile);
  return module.default;
}
