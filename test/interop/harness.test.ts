/** The harness itself: foreign clients to foreign servers, so that a failure elsewhere is ours. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { traceOf, withoutTrace } from '../lib/arrived.ts';
import { interopNeeds } from '../lib/debs.ts';
import { type Dovecot, DOVECOT_PASSWORD, startDovecot } from '../lib/dovecot.ts';
import { type Exim, startExim } from '../lib/exim.ts';
import { fetchByImap, fetchByPop3 } from '../lib/mailbox-clients.ts';
import { type Postfix, startPostfix } from '../lib/postfix.ts';
import { swaks } from '../lib/swaks.ts';

const CONTENT = Buffer.from(
  'From: ann@client.test\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@client.test>\r\n\r\n.dot\r\n..\r\nend\r\n',
);
/** swaks adds a line end of its own. */
const AS_SWAKS_SENDS = Buffer.concat([CONTENT, Buffer.from('\r\n')]);

async function send(port: number, to: string, ...more: readonly string[]): Promise<void> {
  const { code, transcript } = await swaks(
    ['--server', `127.0.0.1:${port}`, '--from', 'ann@client.test', '--to', to, ...more],
    CONTENT,
  );
  assert.equal(code, 0, transcript);
}

describe('Postfix and Exim', { skip: await interopNeeds('wrappers', 'postfix', 'exim', 'swaks') }, () => {
  let postfix: Postfix;
  let exim: Exim;
  before(async () => {
    postfix = await startPostfix({ domains: ['in.test'] });
    exim = await startExim({ domains: ['exim.test'], relayTo: { host: '127.0.0.1', port: postfix.port } });
  });
  after(async () => {
    await exim?.stop();
    await postfix?.stop();
  });

  test('swaks to Postfix', async () => {
    await send(postfix.port, 'bob@in.test');
    const [message] = await postfix.arrivals('bob@in.test', 1);
    assert.equal(message!.returnPath, '<ann@client.test>');
    assert.deepEqual(withoutTrace(message!.content), AS_SWAKS_SENDS);
  });
  test('swaks to Exim', async () => {
    await send(exim.port, 'bob@exim.test');
    const [message] = await exim.arrivals('bob@exim.test', 1);
    assert.equal(message!.returnPath, '<ann@client.test>');
    assert.deepEqual(withoutTrace(message!.content), AS_SWAKS_SENDS);
  });
  test('swaks to Exim to Postfix', async () => {
    await send(exim.port, 'carol@in.test');
    const [message] = await postfix.arrivals('carol@in.test', 1);
    assert.equal(traceOf(message!.content).filter((line) => line.startsWith('Received:')).length, 2);
    assert.deepEqual(withoutTrace(message!.content), AS_SWAKS_SENDS);
  });
  test('Postfix refuses what it has no way for', async () => {
    const { transcript } = await swaks([
      ...['--server', `127.0.0.1:${postfix.port}`],
      ...['--from', 'a@b.test', '--to', 'x@elsewhere.test'],
    ]);
    assert.match(transcript, /<\*\* 55\d 5/);
  });
});

describe('Dovecot', { skip: await interopNeeds('dovecot', 'swaks') }, () => {
  let dovecot: Dovecot;
  before(async () => void (dovecot = await startDovecot({ users: ['bob@dovecot.test'] })));
  after(() => dovecot?.stop());

  test('swaks by LMTP, read back by IMAP and by POP3', async () => {
    await send(dovecot.lmtpPort, 'bob@dovecot.test', '--protocol', 'LMTP');
    const login = { user: 'bob@dovecot.test', password: DOVECOT_PASSWORD };
    for (const messages of [
      await fetchByImap({ port: dovecot.imapPort, ...login }),
      await fetchByPop3({ port: dovecot.pop3Port, ...login }),
    ]) {
      assert.equal(messages.length, 1);
      assert.deepEqual(withoutTrace(messages[0]!), AS_SWAKS_SENDS);
    }
  });
  test('an unknown user is refused', async () => {
    const { transcript } = await swaks([
      ...['--server', `127.0.0.1:${dovecot.lmtpPort}`, '--protocol', 'LMTP'],
      ...['--from', 'a@b.test', '--to', 'nobody@dovecot.test'],
    ]);
    assert.match(transcript, /<\*\* 550 5\.1\.1/);
  });
});
