/** The product relays to a real Exim, and a real Exim relays to the product. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { selfSigned } from '../../src/runtime/certificates.ts';
import { traceOf, waitForMaildir, withoutTrace } from '../lib/arrived.ts';
import { assertSameOctets, SAMPLES, sendSample } from '../lib/contents.ts';
import { interopNeeds } from '../lib/debs.ts';
import { type Exim, startExim } from '../lib/exim.ts';
import { LineClient } from '../lib/line-client.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const skip = await interopNeeds('wrappers', 'exim');
const SHORT = SAMPLES[0]!;

describe('to Exim', { skip }, () => {
  let folder: string;
  let exim: Exim;
  let product: Product;
  before(async () => {
    folder = await testFolder('to-exim');
    const tls = await selfSigned(folder, 'exim.test', Date.now());
    exim = await startExim({ domains: ['in.test', 'tls.test'], tls });
    const hop = { kind: 'smarthost', host: '127.0.0.1', port: exim.port } as const;
    product = await startProduct({
      folder: join(folder, 'product'),
      config: {
        routes: [
          { ...hop, name: 'clear', tls: 'none', match: { recipients: ['in.test'] } },
          { ...hop, name: 'encrypted', tls: 'encrypt' },
        ],
      },
    });
  });
  after(async () => {
    await product?.stop();
    await exim?.stop();
    await removeFolder(folder);
  });

  for (const [at, sample] of SAMPLES.entries())
    test(`arrives as it was sent: ${sample.name}`, async () => {
      await sendSample(product.ports.smtp, `sample${at}@in.test`, sample);
      const [message] = await exim.arrivals(`sample${at}@in.test`, 1);
      assert.equal(message!.returnPath, '<ann@in.test>');
      assertSameOctets(withoutTrace(message!.content), sample.octets);
    });

  test('over STARTTLS', async () => {
    await sendSample(product.ports.smtp, 'ann@tls.test', SHORT);
    const [message] = await exim.arrivals('ann@tls.test', 1);
    assert.match(traceOf(message!.content).join('\n'), /helo=mx\.product\.test.*\(TLS1\.3\)/);
  });

  test('addresses that are not ASCII', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    const replies = await client.send('jörg@in.test', ['grün@in.test'], SHORT.octets, { mail: 'SMTPUTF8' });
    client.close();
    assert.equal(replies.at(-1)!.code, 250);
    const [message] = await exim.arrivals('grün@in.test', 1);
    assert.equal(message!.returnPath, '<jörg@in.test>');
  });

  test('several recipients in one transaction', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    await client.send('ann@in.test', ['one@in.test', 'two@in.test', 'three@in.test'], SHORT.octets);
    client.close();
    for (const user of ['one', 'two', 'three']) await exim.arrivals(`${user}@in.test`, 1);
    const arrivals = (await exim.log())
      .split('\n')
      .filter((line) => line.includes(' <= ') && line.includes('one@in.test'));
    assert.equal(arrivals.length, 1);
    assert.match(arrivals[0]!, /for one@in\.test two@in\.test three@in\.test/);
  });

  test('what Exim refuses comes back as a report', async () => {
    await sendSample(product.ports.smtp, 'x@elsewhere.test', SHORT);
    const [report] = await exim.arrivals('ann@in.test', 1);
    assert.equal(report!.returnPath, '<>');
    const text = report!.content.toString();
    assert.match(text, /Final-Recipient: rfc822;\s?x@elsewhere\.test/);
    assert.match(text, /Diagnostic-Code: smtp;\s?550 relay not permitted/);
  });
});

describe('from Exim', { skip }, () => {
  let folder: string;
  let product: Product;
  let exim: Exim;
  before(async () => {
    folder = await testFolder('from-exim');
    const route = { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') } as const;
    product = await startProduct({
      folder: join(folder, 'product'),
      config: { local: { domains: ['here.test'], route: 'mailboxes' }, routes: [route] },
    });
    exim = await startExim({ domains: ['in.test'], relayTo: { host: '127.0.0.1', port: product.ports.smtp } });
  });
  after(async () => {
    await exim?.stop();
    await product?.stop();
    await removeFolder(folder);
  });

  async function arrival(user: string) {
    const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
    return message!;
  }

  // Exim is a client that sends BDAT, and over TLS, whenever that is offered.
  for (const [at, sample] of SAMPLES.entries())
    test(`arrives as it was sent, by BDAT: ${sample.name}`, async () => {
      await sendSample(exim.port, `sample${at}@here.test`, sample);
      const message = await arrival(`sample${at}`);
      assert.equal(message.returnPath, '<ann@in.test>');
      assert.match(traceOf(message.content)[2]!, /from exim\.test .*with ESMTPS/);
      assertSameOctets(withoutTrace(message.content), sample.octets);
    });

  test('it was BDAT indeed', async () => assert.match(await exim.log(), /=> sample0@here\.test .* K C=/));

  test('addresses that are not ASCII', async () => {
    const client = await LineClient.greeted(exim.port);
    await client.send('jörg@in.test', ['grün@here.test'], SHORT.octets, { mail: 'SMTPUTF8' });
    client.close();
    assert.equal((await arrival('grün')).returnPath, '<jörg@in.test>');
  });

  test('DSN parameters come through: the product reports success by them', async () => {
    const client = await LineClient.greeted(exim.port);
    await client.send('dsn-sender@here.test', ['dsn@here.test'], SHORT.octets, {
      mail: 'RET=HDRS ENVID=env+2B2',
      rcpt: 'NOTIFY=SUCCESS ORCPT=rfc822;first@origin.test',
    });
    client.close();
    const text = (await arrival('dsn-sender')).content.toString();
    assert.match(text, /Original-Envelope-Id: env\+2/);
    assert.match(text, /Original-Recipient: rfc822;\s?first@origin\.test/);
    assert.match(text, /Action: delivered/);
  });
});
