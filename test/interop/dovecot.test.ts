/** The product delivers by LMTP to a real Dovecot; the mailboxes are read back by IMAP and by POP3. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { arrived, withoutTrace } from '../lib/arrived.ts';
import { assertSameOctets, SAMPLES, sendSample } from '../lib/contents.ts';
import { interopNeeds } from '../lib/debs.ts';
import { type Dovecot, DOVECOT_PASSWORD, startDovecot } from '../lib/dovecot.ts';
import { LineClient } from '../lib/line-client.ts';
import { fetchByImap, fetchByPop3 } from '../lib/mailbox-clients.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { until } from '../lib/wait.ts';

const skip = await interopNeeds('dovecot');
const SHORT = SAMPLES[0]!;
const samples = SAMPLES.map((_, at) => `sample${at}@in.test`);

describe('LMTP to Dovecot', { skip }, () => {
  let folder: string;
  let dovecot: Dovecot;
  let product: Product;
  before(async () => {
    folder = await testFolder('to-dovecot');
    const users = ['ann@in.test', 'bob@in.test', 'carol@in.test', 'bob@socket.test', ...samples];
    dovecot = await startDovecot({ users });
    product = await startProduct({
      folder: join(folder, 'product'),
      config: {
        local: { domains: ['in.test', 'socket.test'] },
        routes: [
          { kind: 'lmtp', name: 'socket', to: dovecot.lmtpSocket, match: { recipients: ['socket.test'] } },
          { kind: 'lmtp', name: 'port', to: `127.0.0.1:${dovecot.lmtpPort}`, match: { recipients: ['in.test'] } },
        ],
      },
    });
  });
  after(async () => {
    await product?.stop();
    await dovecot?.stop();
    await removeFolder(folder);
  });

  const byImap = (user: string) => fetchByImap({ port: dovecot.imapPort, user, password: DOVECOT_PASSWORD });
  const byPop3 = (user: string) => fetchByPop3({ port: dovecot.pop3Port, user, password: DOVECOT_PASSWORD });

  async function arrival(user: string): Promise<Buffer> {
    const messages = await until(`a message for ${user}`, async () => {
      const now = await byImap(user);
      return now.length > 0 && now;
    });
    assert.equal(messages.length, 1);
    return messages[0]!;
  }

  for (const [at, sample] of SAMPLES.entries())
    test(`is read back by IMAP and by POP3 as it was sent: ${sample.name}`, async () => {
      const user = samples[at]!;
      await sendSample(product.ports.smtp, user, sample);
      const content = await arrival(user);
      assert.equal(arrived(content).returnPath, '<ann@in.test>');
      assert.equal(arrived(content).deliveredTo, user);
      assertSameOctets(withoutTrace(content), sample.octets);
      const [popped, ...others] = await byPop3(user);
      assertSameOctets(popped!, content);
      assert.equal(others.length, 0);
    });

  test('by a Unix-domain socket', async () => {
    await sendSample(product.ports.smtp, 'bob@socket.test', SHORT);
    assertSameOctets(withoutTrace(await arrival('bob@socket.test')), SHORT.octets);
  });

  test('one of three recipients unknown: two are delivered, the third is reported', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    const to = ['bob@in.test', 'nobody@in.test', 'carol@in.test'];
    assert.equal((await client.send('ann@in.test', to, SHORT.octets)).at(-1)!.code, 250);
    client.close();
    for (const user of ['bob@in.test', 'carol@in.test'])
      assertSameOctets(withoutTrace(await arrival(user)), SHORT.octets);
    const report = await arrival('ann@in.test');
    assert.equal(arrived(report).returnPath, '<>');
    const text = report.toString();
    assert.match(text, /Final-Recipient: rfc822;\s?nobody@in\.test/);
    assert.match(text, /Status: 5\.1\.1/);
    assert.doesNotMatch(text, /Final-Recipient: rfc822;\s?(?:bob|carol)@/);
  });
});
