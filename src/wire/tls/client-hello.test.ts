import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { askedName, MAX_CLIENT_HELLO } from './client-hello.ts';

const MORE = { kind: 'more' };
const NONE = { kind: 'name', name: undefined };

/** The first octets that Node's client sends. */
async function helloOf(options: object): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const client = connectTls({ socket, rejectUnauthorized: false, ...options });
  client.on('error', () => undefined);
  const [there] = await once(server, 'connection');
  const [octets] = (await once(there, 'data')) as [Buffer];
  client.destroy();
  there.destroy();
  server.close();
  return octets;
}

/** The message in records of so many octets. */
function fragmented(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

describe('the name in a ClientHello', () => {
  let hello: Buffer;
  before(async () => {
    hello = await helloOf({ servername: 'mx.example.test' });
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'])
    test(`is found, ${maxVersion}`, async () => {
      const octets = await helloOf({ servername: 'mx.example.test', maxVersion });
      assert.deepEqual(askedName(octets), { kind: 'name', name: 'mx.example.test' });
    });

  test('is missing where the client asks for none', async () => {
    assert.deepEqual(askedName(await helloOf({})), NONE);
  });

  test('is waited for until the message is whole', () => {
    for (let length = 0; length < hello.length; length += 1)
      assert.deepEqual(askedName(hello.subarray(0, length)), MORE, String(length));
  });

  test('is found in any number of records, with anything behind them', () => {
    for (const size of [2, 7, 100, 16_384]) {
      const octets = Buffer.concat([fragmented(hello, size), Buffer.from('more')]);
      assert.deepEqual(askedName(octets), { kind: 'name', name: 'mx.example.test' }, String(size));
    }
  });

  const bad: readonly (readonly [title: string, octets: Buffer])[] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['SMTP', Buffer.from('EHLO client.test\r\n')],
    ['an alert', Buffer.from('15030100020128', 'hex')],
    ['SSLv2', Buffer.from('802e0100020015', 'hex')],
    ['another message', Buffer.from('16030100040200000000', 'hex')],
    ['an empty record', Buffer.from('1603010000', 'hex')],
    ['a message of 16 MiB', Buffer.from('160301000401ffffff', 'hex')],
    ['a message of nothing', Buffer.from('160301000401000000', 'hex')],
  ];
  for (const [title, octets] of bad) test(`${title} has none`, () => assert.deepEqual(askedName(octets), NONE));

  test('is not waited for beyond a bound', () => {
    const length = MAX_CLIENT_HELLO;
    const message = Buffer.concat([Buffer.from([1, 0, length >> 8, length & 0xff]), Buffer.alloc(length - 1)]);
    const octets = fragmented(Buffer.concat([Buffer.alloc(5), message]), 1000);
    assert.deepEqual(askedName(octets), NONE);
  });

  test('whatever comes is answered', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => void askedName(Buffer.from(octets))));
  });

  test('whatever is changed in a real one is answered', () => {
    const change = fc.array(fc.tuple(fc.nat({ max: hello.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 });
    fc.assert(
      fc.property(change, (changes) => {
        const octets = Buffer.from(hello);
        for (const [at, value] of changes) octets[at] = value;
        void askedName(octets);
      }),
    );
  });
});
