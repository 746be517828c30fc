/** The sandbox as a newcomer meets it: every kind of receiver of the small internet, seen from outside. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTransport } from 'nodemailer';
import { type DeferredEvent, type Event } from '../../src/events/event.ts';
import { fieldOf, traceOf, withoutTrace } from '../lib/arrived.ts';
import { SAMPLES, sendSample } from '../lib/contents.ts';
import { LineClient } from '../lib/line-client.ts';
import { startProcess } from '../lib/processes.ts';
import { type InboxMessage, startSandbox } from '../lib/sandbox.ts';
import { until } from '../lib/wait.ts';

const sandbox = await startSandbox();
after(async () => assert.equal(await sandbox.stop(), 0, 'it stops when told to, with exit code 0'));

const DOMAINS = ['inbox.test', 'greylist.test', 'limits.test', 'down.test', 'strict.test', 'slow.test', 'dane.test'];

type About<K extends Event['kind']> = Extract<Event, { kind: K; recipients: readonly string[] }>;

function about<K extends Event['kind']>(kind: K, recipient: string) {
  return (event: Event): event is About<K> =>
    event.kind === kind && 'recipients' in event && event.recipients.includes(recipient);
}

async function eventsAbout<K extends Event['kind']>(kind: K, recipient: string): Promise<readonly About<K>[]> {
  return (await sandbox.events()).filter(about(kind, recipient));
}

async function send(from: string, to: readonly string[], content = text(to[0]!)): Promise<void> {
  const client = await LineClient.greeted(sandbox.smtpPort);
  const codes = (await client.send(from, to, content)).map(({ code }) => code);
  client.close();
  assert.deepEqual(codes, [250, ...to.map(() => 250), 354, 250]);
}

function text(to: string): string {
  return `From: ann@example.test\r\nTo: ${to}\r\nSubject: For ${to}\r\nMessage-ID: <${to}>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nHello\r\n`;
}

function arrived(recipient: string, count = 1): Promise<readonly InboxMessage[]> {
  return until(`${count} messages for ${recipient}`, async () => {
    const messages = await sandbox.inbox(recipient);
    return messages.length >= count && messages;
  });
}

function waiting(recipient: string) {
  return sandbox.control.list({ recipient });
}

function gone(recipient: string): Promise<unknown> {
  return until(`nothing waits for ${recipient}`, async () => (await waiting(recipient)).entries.length === 0);
}

test('a newcomer is told what is running, and the printed command sends a first message', async () => {
  for (const domain of DOMAINS) assert.ok(sandbox.introduction.includes(`  ${domain} `), domain);
  const [, command = ''] = /npx postrider (send .*)/.exec(sandbox.introduction) ?? [];
  const sent = await sandbox.cli(...command.split(' '));
  assert.deepEqual([sent.code, /^250 2\.\d\.\d /.test(sent.output)], [0, true], sent.output);

  const [message] = await arrived('anybody@inbox.test');
  const { recipients, reversePath, subject, server, octets, receivedAt } = message!;
  assert.deepEqual(
    { recipients, reversePath, subject, server },
    {
      recipients: ['anybody@inbox.test'],
      reversePath: 'newcomer@example.test',
      subject: 'Hello from Postrider',
      server: 'mx.inbox.test',
    },
  );
  assert.equal((await sandbox.raw(message!)).length, octets);
  assert.ok(Math.abs(receivedAt - (await sandbox.control.status()).now) < 60_000);

  const delivered = await sandbox.event('delivery', about('delivered', 'anybody@inbox.test'));
  assert.ok(delivered.kind === 'delivered');
  assert.deepEqual([delivered.route, delivered.host, delivered.attempt], ['mx', 'mx.inbox.test', 1]);
  for (const kind of ['accepted', 'delivered'])
    await until(`a readable line: ${kind}`, () =>
      new RegExp(`^\\S+ +${kind} +${delivered.queueId} .*anybody@inbox\\.test`, 'm').test(sandbox.running.output()),
    );
  const story = await sandbox.cli('message', delivered.queueId);
  assert.equal(story.code, 0, story.output);
  assert.match(story.output, /accepted[^]*delivered/);
});

test('a receiver with DANE gets its mail by the certificate that the DNS names, and the event says so', async () => {
  const sent = await sandbox.cli('send', '--to', 'anybody@dane.test', '--port', String(sandbox.smtpPort));
  assert.equal(sent.code, 0, sent.output);
  const delivered = await sandbox.event('delivery by DANE', about('delivered', 'anybody@dane.test'));
  assert.ok(delivered.kind === 'delivered');
  const { tls, tlsPolicy, tlsResult, tlsReason } = delivered;
  assert.match(tls ?? '', /^TLSv1\.3 /);
  assert.deepEqual([tlsPolicy, tlsResult, tlsReason], ['dane', 'successful', 'DANE: TLSA records of mx.dane.test']);
  const explained = await sandbox.cli('explain', 'anybody@dane.test');
  assert.match(explained.output, /DNSSEC vouches for the hosts/);
});

test('the printed login works as printed: curl submits, and the receiver gets mail that the domain has signed', async (t) => {
  const [example = ''] = /^ *printf .*curl .*$/m.exec(sandbox.introduction) ?? [];
  const sent = startProcess({ argv: ['sh', '-c', example] });
  const code = await sent.exited;
  if (code === 127) return t.skip('curl is not installed');
  assert.equal(code, 0, `${example}\n${sent.output()}`);
  const [message] = await arrived('bob@inbox.test');
  const raw = await sandbox.raw(message!);
  assert.match(traceOf(raw).join('\n'), /with ESMTPSA/);
  const signatures = [...raw.toString('latin1').matchAll(/^DKIM-Signature: [^]*?(?=\r\n\S)/gm)].map(String);
  assert.equal(signatures.length, 2);
  for (const signature of signatures) assert.match(signature, /\bd=sandbox\.test;/);
  return undefined;
});

test('the sandbox publishes what the domain needs, and the keys of what it signs', async () => {
  const { keys } = await sandbox.control.keys({ domain: 'sandbox.test' });
  assert.equal(keys.length, 2);
  const { records } = await sandbox.control.checkDomain({ domain: 'sandbox.test' });
  const problems = new Map(records.map(({ purpose, problem }) => [purpose, problem]));
  for (const purpose of ['dkim', 'spf', 'dmarc'] as const) assert.equal(problems.get(purpose), undefined, purpose);
});

test('who changed what in the directory is told by the log, the command line and HTTP, and never a secret', async () => {
  const made = await sandbox.cli('credential', 'add', 'ann', '--tenant', 'sandbox', '--messages-per-hour', '7');
  const [, password = ''] = /^password (\S+)$/m.exec(made.output) ?? [];
  assert.match(password, /^\S{20,}$/, made.output);
  await sandbox.cli('credential', 'remove', 'ann');
  const told = await sandbox.cli('events', '--kind', 'directoryChanged', '--since', '1h');
  const lines = told.output.split('\n').filter((line) => line.includes(' user ann of sandbox '));
  assert.match(lines[0] ?? '', /removed by cli:\S+$/, told.output);
  assert.match(lines[1] ?? '', /added by cli:\S+: disabled: no, messagesPerHour: 7$/);
  assert.match(told.output, /domain sandbox\.test of sandbox {2}added by sandbox/);
  const answer = await sandbox.get('/api/v1/events?kind=directoryChanged&limit=1');
  const { events } = (await answer.json()) as { events: readonly Event[] };
  assert.deepEqual(
    events.map((event) => event.kind === 'directoryChanged' && `${event.action} ${event.name}`),
    ['removed ann'],
  );
  assert.ok(!JSON.stringify(await sandbox.events()).includes(password));
});

test('a wrong password, and a sender of another domain, are refused', async () => {
  const [, port] = /logins .*:(\d+) \(TLS\)/.exec(sandbox.introduction) ?? [];
  const submit = (password: string, from: string) => {
    const transport = createTransport({
      ...{ host: '127.0.0.1', port: Number(port), secure: true, tls: { rejectUnauthorized: false } },
      auth: { user: 'app', pass: password },
    });
    return transport.sendMail({ from, to: 'refused@inbox.test', text: 'x' }).finally(() => transport.close());
  };
  await assert.rejects(submit('another-password', 'app@sandbox.test'), /535/);
  await assert.rejects(submit('sandbox-password', 'ann@example.test'), /550 5\.7\.1/);
  await submit('sandbox-password', 'ann@sandbox.test');
});

test('a program that sends with nodemailer is served', async () => {
  const transport = createTransport({
    host: '127.0.0.1',
    port: sandbox.smtpPort,
    tls: { rejectUnauthorized: false },
  });
  const from = 'Jürgen <jurgen@example.test>';
  await transport.sendMail({ from, to: 'mailer@inbox.test', subject: 'Grüße', text: 'Hallo' });
  transport.close();
  const [message] = await arrived('mailer@inbox.test');
  assert.deepEqual([message!.subject, message!.reversePath], ['Grüße', 'jurgen@example.test']);
});

test('curl smtp:// is served', async (t) => {
  const argv = ['curl', '--silent', '--show-error', '--crlf', `smtp://127.0.0.1:${sandbox.smtpPort}`] as const;
  const paths = ['--mail-from', 'ann@example.test', '--mail-rcpt', 'curl@inbox.test', '--upload-file', '-'];
  const input = 'From: ann@example.test\nSubject: By curl\n\n.A dot\n';
  const curl = startProcess({ argv: [...argv, ...paths], input });
  const code = await curl.exited;
  if (code === 127) return t.skip('curl is not installed');
  assert.equal(code, 0, curl.output());
  const [message] = await arrived('curl@inbox.test');
  assert.match((await sandbox.raw(message!)).toString(), /\r\n\r\n\.A dot\r\n$/);
  return undefined;
});

for (const sample of SAMPLES) {
  const recipient = `${SAMPLES.indexOf(sample)}@inbox.test`;
  test(`what arrives is what was sent, octet for octet, behind one trace field: ${sample.name}`, async () => {
    await sendSample(sandbox.smtpPort, recipient, sample);
    const [message] = await arrived(recipient);
    const raw = await sandbox.raw(message!);
    assert.ok(withoutTrace(raw).equals(sample.octets), 'the content is as it was');
    const trace = traceOf(raw);
    assert.equal(trace.length, 1);
    assert.match(trace[0]!, /^Received: from client\.test \(\[127\.0\.0\.1\]\)\s+by sandbox\.test with ESMTP id \w+\s/);
  });
}

test('a greylisted message waits for the time that is asked for, and is delivered at the second attempt', async () => {
  const to = 'bob@greylist.test';
  await send('ann@example.test', [to]);
  const deferred = (await sandbox.event('deferral', about('deferred', to))) as DeferredEvent;
  assert.match(deferred.reply, /^450 4\.7\.1 /);
  assert.deepEqual([deferred.reason, deferred.attempt, deferred.scope], ['greylisted', 1, 'recipient']);
  const wait = deferred.nextAttemptAt - deferred.at;
  assert.ok(wait >= 15_000 && wait <= 16_600, `again in ${wait} ms`);
  const queue = await waiting(to);
  assert.deepEqual(
    queue.entries.map(({ reason, attempts, lastReply }) => ({ reason, attempts, lastReply })),
    [{ reason: 'greylisted', attempts: 1, lastReply: deferred.reply }],
  );

  await sandbox.advance('17s');
  const delivered = await sandbox.event('delivery', about('delivered', to));
  assert.ok(delivered.kind === 'delivered' && delivered.attempt === 2);
  assert.equal((await arrived(to)).length, 1);
  await gone(to);
});

test('a receiver that limits gets thirty messages at its own pace, each of them once', async () => {
  const all = Array.from({ length: 30 }, (_, at) => `user${at}@limits.test`);
  await Promise.all(all.map((to) => send('ann@example.test', [to])));
  const isOver = async (): Promise<boolean> => (await waiting('*@limits.test')).entries.length === 0;
  const isResting = async (): Promise<boolean> => {
    const { entries } = await waiting('*@limits.test');
    return entries.every(({ inFlight, attempts }) => !inFlight && attempts > 0);
  };
  const replies = async () =>
    (await sandbox.events()).filter(
      (event): event is DeferredEvent => event.kind === 'deferred' && event.recipients[0]!.endsWith('@limits.test'),
    );
  await until('the first that is throttled', async () => (await replies()).length > 0);
  let minutes = 0;
  for (; !(await isOver()); minutes += 1) {
    assert.ok(minutes < 24 * 60, 'it takes less than a day');
    await until('the receiver to be left alone', isResting, 1000).catch(() => {});
    await sandbox.advance('1m');
  }
  assert.ok(minutes >= 5, `five messages a minute, and all went in ${minutes} minutes`);

  for (const to of all) await sandbox.event(to, about('delivered', to));
  const throttled = await replies();
  assert.ok(throttled.every(({ reply }) => /^(?:421|450) 4\./.test(reply)));
  assert.ok(throttled.some(({ reason }) => reason === 'rateLimited'));
  for (const to of all) assert.equal((await sandbox.inbox(to)).length, 1, to);
  for (const to of all) assert.equal((await eventsAbout('delivered', to)).length, 1, to);
  for (const to of all) assert.equal((await eventsAbout('failed', to)).length, 0, to);
});

test('of two recipients the known one is delivered, and a report names the unknown one to the sender', async () => {
  const from = 'somebody@inbox.test';
  await send(from, ['known@strict.test', 'unknown@strict.test'], text('known@strict.test'));
  const [message] = await arrived('known@strict.test');
  assert.deepEqual(message!.recipients, ['known@strict.test']);
  const failed = await sandbox.event('failure', about('failed', 'unknown@strict.test'));
  assert.ok(failed.kind === 'failed');
  assert.deepEqual([failed.status, failed.recipients], ['5.1.1', ['unknown@strict.test']]);

  const [report, ...more] = await arrived(from);
  assert.deepEqual([more.length, report!.reversePath], [0, '<>']);
  const raw = await sandbox.raw(report!);
  assert.match(fieldOf(raw, 'content-type')!, /^multipart\/report; report-type=delivery-status;/);
  const lines = raw.toString().replaceAll(/\r\n[ \t]+/g, ' ');
  assert.match(lines, /^Final-Recipient: rfc822;unknown@strict\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r$/m);
  assert.match(lines, /^Diagnostic-Code: smtp; 550 5\.1\.1 <unknown@strict\.test>: Recipient address rejected/m);
  assert.match(lines, /^Remote-MTA: dns; mx\.strict\.test\r$/m);
  assert.match(lines, /^Message-ID: <known@strict\.test>\r$/m, 'the header section of the message is in it');
  assert.doesNotMatch(lines, /^Final-Recipient: rfc822;known@/m);
  await gone('*@strict.test');
  await sandbox.event('the end of the report', about('delivered', from));
  const told = (await sandbox.events()).filter((event) => event.kind === 'dsn' && event.to === from);
  assert.equal(told.length, 1);
});

test('a slow receiver is waited for, and holds up nobody else', async () => {
  await send('ann@example.test', ['snail@slow.test']);
  await send('ann@example.test', ['swift@inbox.test']);
  await sandbox.event('the swift one', about('delivered', 'swift@inbox.test'));
  assert.deepEqual(await eventsAbout('delivered', 'snail@slow.test'), []);
  const slow = await sandbox.event('the slow one', about('delivered', 'snail@slow.test'));
  assert.ok(slow.kind === 'delivered' && slow.attempt === 1 && slow.delays.transmit >= 1000);
  assert.equal((await arrived('snail@slow.test')).length, 1);
});

test('where nobody listens mail waits, with a reason that people can read everywhere', async () => {
  const to = 'bob@down.test';
  await send('ann@example.test', [to]);
  const deferred = (await sandbox.event('deferral', about('deferred', to))) as DeferredEvent;
  assert.deepEqual([deferred.reason, deferred.attempt], ['connection', 1]);
  assert.match(deferred.reply, /^postrider: connect to mx\.down\.test .*ECONNREFUSED/);
  const wait = deferred.nextAttemptAt - deferred.at;
  assert.ok(wait >= 300_000 && wait <= 330_000, `the site rests ${wait} ms`);

  const listed = await sandbox.cli('queue');
  assert.match(listed.output, /bob@down\.test .* connection /);
  const explained = await sandbox.cli('explain', to);
  assert.match(explained.output, /mx\.down\.test/);
  const page = await (await sandbox.get('/')).text();
  assert.ok(page.includes('bob@down.test'), 'the queue is on it');
  assert.ok(page.includes('somebody@inbox.test'), 'the inboxes are on it too');
  assert.deepEqual(await sandbox.inbox(to), []);

  const removed = await sandbox.cli('queue', 'remove', '--recipient', to);
  assert.equal(removed.code, 0, removed.output);
  const event = await sandbox.event('removal', about('removed', to));
  assert.ok(event.kind === 'removed' && !event.told);
  await gone('*');
});

test('monitoring is answered: health, readiness and metrics that count what was delivered', async () => {
  for (const path of ['/health/live', '/health/ready']) assert.equal((await sandbox.get(path)).status, 200, path);
  const metrics = await (await sandbox.get('/metrics')).text();
  assert.match(metrics, /^# HELP postrider_/m);
  assert.match(metrics, /^postrider_history_events_total [1-9]/m);
});
