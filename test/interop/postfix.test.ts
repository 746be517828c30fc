/** The product relays to a real Postfix, and a real Postfix relays to the product. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { selfSigned } from '../../src/runtime/certificates.ts';
import { fieldOf, traceOf, waitForMaildir, withoutTrace } from '../lib/arrived.ts';
import { assertSameOctets, type SampleContent, SAMPLES, sendSample } from '../lib/contents.ts';
import { interopNeeds } from '../lib/debs.ts';
import { LineClient } from '../lib/line-client.ts';
import { type Postfix, startPostfix } from '../lib/postfix.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const skip = await interopNeeds('wrappers', 'postfix');
const SHORT = SAMPLES[0]!;

describe('to Postfix', { skip }, () => {
  let folder: string;
  let postfix: Postfix;
  let product: Product;
  before(async () => {
    folder = await testFolder('to-postfix');
    const tls = await selfSigned(folder, 'postfix.test', Date.now());
    postfix = await startPostfix({ domains: ['in.test', 'tls.test'], tls });
    const hop = { kind: 'smarthost', host: '127.0.0.1', port: postfix.port } as const;
    product = await startProduct({
      folder: join(folder, 'product'),
      testClock: true,
      config: {
        routes: [
          { ...hop, name: 'clear', tls: 'none', match: { recipients: ['in.test'] } },
          { ...hop, name: 'verified', tls: 'verify', match: { recipients: ['verified.test'] } },
          { ...hop, name: 'encrypted', tls: 'encrypt' },
        ],
      },
    });
  });
  after(async () => {
    await product?.stop();
    await postfix?.stop();
    await removeFolder(folder);
  });

  for (const [at, sample] of SAMPLES.entries())
    test(`arrives as it was sent: ${sample.name}`, async () => {
      await sendSample(product.ports.smtp, `sample${at}@in.test`, sample);
      const [message] = await postfix.arrivals(`sample${at}@in.test`, 1);
      assert.equal(message!.returnPath, '<ann@in.test>');
      assertSameOctets(withoutTrace(message!.content), sample.octets);
    });

  test('each server on the way has left a trace field', async () => {
    await sendSample(product.ports.smtp, 'trace@in.test', SHORT);
    const [message] = await postfix.arrivals('trace@in.test', 1);
    const received = traceOf(message!.content).filter((line) => line.startsWith('Received:'));
    assert.equal(received.length, 2);
    assert.match(received[0]!, /from mx\.product\.test .*\sby postfix\.test/);
    assert.match(received[1]!, /from client\.test .*\sby mx\.product\.test/);
  });

  test('content goes by BDAT when that is offered', async () => {
    await sendSample(product.ports.smtp, 'bdat@in.test', SHORT);
    const delivered = await deliveredTo(product, 'bdat@in.test');
    // What Postfix says to BDAT, and to DATA does not.
    assert.match(delivered.reply, /\d+ bytes queued as/);
  });

  test('over STARTTLS', async () => {
    await sendSample(product.ports.smtp, 'ann@tls.test', SHORT);
    const delivered = await deliveredTo(product, 'ann@tls.test');
    assert.equal(delivered.route, 'encrypted');
    assert.match(delivered.tls ?? '', /^TLSv1\.3 /);
    const [message] = await postfix.arrivals('ann@tls.test', 1);
    assertSameOctets(withoutTrace(message!.content), SHORT.octets);
    assert.match(await postfix.log(), /Anonymous TLS connection established from unknown\[127\.0\.0\.1\]/);
  });

  test('addresses that are not ASCII', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    const replies = await client.send('jörg@in.test', ['grün@in.test'], SHORT.octets, { mail: 'SMTPUTF8' });
    client.close();
    assert.deepEqual(
      replies.map(({ code }) => code),
      [250, 250, 354, 250],
    );
    const [message] = await postfix.arrivals('grün@in.test', 1);
    assert.equal(message!.returnPath, '<jörg@in.test>');
  });

  test('DSN parameters are passed on: Postfix reports success by them', async () => {
    const client = await LineClient.greeted(product.ports.smtp);
    const replies = await client.send('dsn-sender@in.test', ['dsn@in.test'], SHORT.octets, {
      mail: 'RET=HDRS ENVID=env+2B1',
      rcpt: 'NOTIFY=SUCCESS ORCPT=rfc822;first@origin.test',
    });
    client.close();
    assert.equal(replies.at(-1)!.code, 250);
    const [report] = await postfix.arrivals('dsn-sender@in.test', 1);
    const text = report!.content.toString();
    assert.match(text, /Original-Envelope-Id: env\+1/);
    assert.match(text, /Original-Recipient: rfc822;\s?first@origin\.test/);
    assert.match(text, /Action: delivered/);
    assert.match(text, /Content-Type: text\/rfc822-headers/);
  });

  test('what Postfix refuses comes back as a report', async () => {
    await sendSample(product.ports.smtp, 'x@elsewhere.test', SHORT);
    const [report] = await postfix.arrivals('ann@in.test', 1);
    assert.equal(report!.returnPath, '<>');
    assert.match(fieldOf(report!.content, 'content-type') ?? '', /^multipart\/report;.*report-type=delivery-status/);
    const text = report!.content.toString();
    assert.match(text, /Final-Recipient: rfc822;\s?x@elsewhere\.test/);
    assert.match(text, /Action: failed/);
    assert.match(text, /Remote-MTA: dns;/);
    assert.match(text, /Diagnostic-Code: smtp;\s?5\d\d /);
  });

  test('a certificate that nobody vouches for is not taken for verified', async () => {
    await sendSample(product.ports.smtp, 'ann@verified.test', SHORT);
    const deferred = await product.event(
      'a deferral',
      (event) => event.kind === 'deferred' && event.recipients.includes('ann@verified.test'),
    );
    assert.ok(deferred.kind === 'deferred');
    assert.equal(deferred.reason, 'tls', JSON.stringify(deferred));
  });
});

describe('from Postfix', { skip }, () => {
  let folder: string;
  let product: Product;
  let postfix: Postfix;
  before(async () => {
    folder = await testFolder('from-postfix');
    const route = { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') } as const;
    product = await startProduct({
      folder: join(folder, 'product'),
      config: { local: { domains: ['here.test'], route: 'mailboxes' }, routes: [route] },
    });
    postfix = await startPostfix({ domains: ['in.test'], relayTo: { host: '127.0.0.1', port: product.ports.smtp } });
  });
  after(async () => {
    await postfix?.stop();
    await product?.stop();
    await removeFolder(folder);
  });

  async function arrival(user: string) {
    const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
    return message!;
  }

  for (const [at, sample] of SAMPLES.filter(isKeptByPostfix).entries())
    test(`arrives as it was sent: ${sample.name}`, async () => {
      await sendSample(postfix.port, `sample${at}@here.test`, sample);
      const message = await arrival(`sample${at}`);
      assert.equal(message.returnPath, '<ann@in.test>');
      assertSameOctets(withoutTrace(message.content), sample.octets);
    });

  test('over STARTTLS, with a certificate that the product made itself', async () => {
    await sendSample(postfix.port, 'tls@here.test', SHORT);
    const message = await arrival('tls');
    assert.match(traceOf(message.content)[2]!, /from postfix\.test .*with ESMTPS/);
  });

  test('addresses that are not ASCII', async () => {
    const client = await LineClient.greeted(postfix.port);
    await client.send('jörg@in.test', ['grün@here.test'], SHORT.octets, { mail: 'SMTPUTF8' });
    client.close();
    assert.equal((await arrival('grün')).returnPath, '<jörg@in.test>');
  });

  test('DSN parameters come through: the product reports success by them', async () => {
    const client = await LineClient.greeted(postfix.port);
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

/** Postfix takes lines of any length and passes them on in pieces of 998 octets, dots counted. */
function isKeptByPostfix({ name }: SampleContent): boolean {
  return name !== 'lines of 998 octets';
}

async function deliveredTo(product: Product, recipient: string) {
  const delivered = await product.event(
    `a delivery to ${recipient}`,
    (event) => event.kind === 'delivered' && event.recipients.includes(recipient),
  );
  assert.ok(delivered.kind === 'delivered');
  return delivered;
}
