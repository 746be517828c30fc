/** TLS sessions in the running product: resumed from one delivery to the next, told by events and metrics, gone with a reload. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { LineClient } from '../lib/line-client.ts';
import { PeerServer } from '../lib/peer-server.ts';
import { certify } from '../lib/pki.ts';
import { startProduct } from '../lib/product.ts';

type Delivered = Extract<Event, { kind: 'delivered' }>;

test('a TLS session is resumed, told of, and gone with a reload', async (t) => {
  const certificate = await certify({ subject: 'mx', names: ['mx.test'] });
  // RFC 9422: one message on a connection.
  const peer = await new PeerServer({ certificate, resumes: true, offersBehindTls: ['LIMITS MAILMAX=1'] }).listen();
  t.after(() => peer.close());
  const configOf = (enabled: boolean): Partial<PostriderConfig> => ({
    workers: 1,
    deliver: { tls: { resumption: { enabled } } },
    routes: [{ kind: 'smarthost', name: 'out', host: '127.0.0.1', port: peer.port, tls: 'encrypt' }],
  });
  const product = await startProduct({ config: configOf(true) });
  t.after(() => product.stop());
  let count = 0;
  const send = async (): Promise<string> => {
    count += 1;
    const to = `user${count}@far.test`;
    const client = await LineClient.greeted(product.smtpPort);
    const replies = await client.send('ann@home.test', [to], 'Subject: x\r\n\r\nx\r\n');
    assert.equal(replies.at(-1)?.code, 250);
    client.close();
    const event = await product.event('a delivery', (each) => each.kind === 'delivered' && each.recipients[0] === to);
    return (event as Delivered).tlsHandshake ?? 'full';
  };
  const counted = async (kind: string): Promise<string | undefined> => {
    const text = await (await fetch(`http://127.0.0.1:${product.httpPort}/metrics`)).text();
    return new RegExp(`^postrider_outgoing_handshakes_total\\{.*kind="${kind}".*\\} (\\d+)`, 'm').exec(text)?.[1];
  };
  const reload = async (enabled: boolean): Promise<void> => {
    product.configure(configOf(enabled));
    const { code, output } = await product.cli('reload');
    assert.equal(code, 0, output);
  };

  assert.deepEqual([await send(), await send()], ['full', 'resumed']);
  await reload(true);
  assert.deepEqual([await send(), await send()], ['full', 'resumed']);
  assert.deepEqual([await counted('full'), await counted('resumed')], ['2', '2']);
  await reload(false);
  assert.deepEqual([await send(), await send()], ['full', 'full']);
  assert.deepEqual(peer.resumed, [false, true, false, true, false, false]);
});
