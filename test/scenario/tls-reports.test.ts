/** A day of sessions that a policy refuses, and the report on it, as the one whose policy it is receives and reads it. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { LineClient } from '../lib/line-client.ts';
import { startSandbox } from '../lib/sandbox.ts';
import { until } from '../lib/wait.ts';

const sandbox = await startSandbox();
after(async () => assert.equal(await sandbox.stop(), 0));

const content = 'From: ann@inbox.test\r\nSubject: Hello\r\n\r\nHello\r\n';

test('a host that does not meet the policy gets no mail, and the event tells why', async () => {
  const client = await LineClient.greeted(sandbox.smtpPort);
  await client.send('ann@inbox.test', ['bob@sts.test'], content);
  client.close();
  const event = await sandbox.event('it was deferred', ({ kind }) => kind === 'deferred');
  assert.ok(event.kind === 'deferred');
  assert.deepEqual([event.tlsPolicy, event.tlsResult, event.status], ['sts', 'certificate-not-trusted', '4.7.5']);
  assert.match(event.reply, /^postrider: the certificate of mx\.sts\.test is not valid: .*MTA-STS/);
});

test('a day later the domain is told, whatever is wrong with its encryption, and once', async () => {
  await sandbox.advance('24h');
  const [message] = await until('the report', async () => {
    const messages = await sandbox.inbox('tls-reports@sts.test');
    return messages.length > 0 && messages;
  });
  const failed = await sandbox.event('the failed session', ({ kind }) => kind === 'tls');
  assert.ok(failed.kind === 'tls');
  assert.match(failed.sourceAddress ?? '', /^127\./);
  const raw = String(await sandbox.raw(message!));
  assert.match(raw, /^TLS-Required: No\r$/m);
  const [, base64 = ''] = /application\/tlsrpt\+gzip(?:[^]*?)\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(raw) ?? [];
  const report = JSON.parse(String(gunzipSync(Buffer.from(base64, 'base64')))) as {
    readonly policies: readonly { readonly policy: object; readonly summary: object }[];
  };
  assert.deepEqual(
    report.policies.map(({ policy, summary }) => ({ policy, summary })),
    [
      {
        policy: {
          'policy-type': 'sts',
          'policy-string': ['version: STSv1', 'mode: enforce', 'mx: mx.sts.test', 'max_age: 86400'],
          'policy-domain': 'sts.test',
          'mx-host': ['mx.sts.test'],
        },
        summary: { 'total-successful-session-count': 0, 'total-failure-session-count': 1 },
      },
    ],
  );
  const shown = await sandbox.cli('tls-reports', '--sent');
  assert.match(shown.output, /sts\.test +tls-reports@sts\.test +0 +1/);
  await sandbox.advance('1m');
  assert.equal((await sandbox.inbox('tls-reports@sts.test')).length, 1);
});
