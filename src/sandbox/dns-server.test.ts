import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { decodeAnswer, encodeQuery, RCODE } from '../wire/dns/message.ts';
import { type RecordType } from '../wire/dns/record.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { zoneOf } from './zone.ts';

const ZONE = zoneOf(
  new Map([
    ['inbox.test', '127.0.1.1'],
    ['down.test', '::1'],
  ]),
  new Map([['sandbox.test', 'inbox.test']]),
);

let server: DnsServer;
before(async () => void (server = await startDnsServer(ZONE)));
after(() => server.close());

function query(name: string, type: RecordType, id = 7): Buffer {
  const encoded = encodeQuery({ id, name, type, recursionDesired: true, dnssecOk: false, udpSize: 1232 });
  assert.ok(encoded.ok);
  return encoded.value;
}

function answer(octets: Buffer) {
  const decoded = decodeAnswer(octets);
  assert.ok(decoded.ok, JSON.stringify(decoded));
  return decoded.value;
}

async function askByUdp(...queries: readonly Buffer[]): Promise<Buffer> {
  const socket = createSocket('udp4');
  for (const octets of queries) socket.send(octets, server.port, server.address);
  const [message] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return message;
}

describe('a foreign client', () => {
  const resolver = () => {
    const made = new Resolver({ timeout: 2000, tries: 1 });
    made.setServers([`${server.address}:${server.port}`]);
    return made;
  };
  test('finds hosts of a domain', async () => assert.deepEqual(await mx('inbox.test'), [[10, 'mx.inbox.test']]));
  test('in any case', async () => assert.deepEqual(await mx('INBOX.test'), [[10, 'mx.inbox.test']]));
  test('of an alias those of the other', async () =>
    assert.deepEqual(await mx('sandbox.test'), [[10, 'mx.inbox.test']]));
  test('finds addresses', async () => {
    assert.deepEqual(await resolver().resolve4('mx.inbox.test'), ['127.0.1.1']);
    assert.deepEqual(await resolver().resolve6('mx.down.test'), ['::1']);
  });
  const mx = async (name: string) =>
    (await resolver().resolveMx(name)).map(({ priority, exchange }) => [priority, exchange]);
  const failures: readonly (readonly [name: string, type: string, code: string])[] = [
    ['no.such.test', 'MX', 'ENOTFOUND'],
    ['example.com', 'MX', 'ENOTFOUND'],
    ['inbox.test', 'A', 'ENODATA'],
    ['mx.inbox.test', 'AAAA', 'ENODATA'],
    ['inbox.test', 'TXT', 'ENODATA'],
    ['inbox.test', 'NAPTR', 'ENODATA'],
  ];
  for (const [name, type, code] of failures)
    test(`${type} of ${name}: ${code}`, () => assert.rejects(resolver().resolve(name, type), { code }));
});

describe('by UDP', () => {
  test('a negative answer says how long it holds', async () => {
    const reply = answer(await askByUdp(query('no.such.test', 'MX')));
    assert.equal(reply.rcode, RCODE.nxDomain);
    assert.equal(reply.soa?.data.minimum, 60);
  });
  test('the AD bit is never set', async () =>
    assert.equal(answer(await askByUdp(query('inbox.test', 'MX'))).authenticated, false));
  test('what is no query is passed over', async () => {
    const reply = answer(
      await askByUdp(Buffer.from('hello'), Buffer.alloc(0), Buffer.alloc(500, 0xff), query('inbox.test', 'MX', 9)),
    );
    assert.equal(reply.id, 9);
  });
  test('an answer is not answered', async () => {
    const echo = await askByUdp(query('inbox.test', 'MX', 3));
    assert.equal(answer(await askByUdp(echo, query('inbox.test', 'MX', 4))).id, 4);
  });
});

describe('by TCP', () => {
  const framed = (octets: Buffer): Buffer =>
    Buffer.concat([Buffer.from([octets.length >> 8, octets.length & 0xff]), octets]);

  async function askByTcp(chunks: readonly Buffer[], answers: number): Promise<readonly Buffer[]> {
    const socket = connect({ port: server.port, host: server.address, noDelay: true });
    const read: Buffer[] = [];
    let octets = Buffer.alloc(0);
    for (const chunk of chunks) socket.write(chunk);
    for await (const chunk of socket) {
      octets = Buffer.concat([octets, chunk as Buffer]);
      while (octets.length >= 2 && octets.length >= 2 + octets.readUInt16BE(0)) {
        read.push(octets.subarray(2, 2 + octets.readUInt16BE(0)));
        octets = octets.subarray(2 + octets.readUInt16BE(0));
      }
      if (read.length === answers) break;
    }
    socket.destroy();
    return read;
  }

  test('several questions on one connection, cut anywhere', async () => {
    const octets = Buffer.concat([framed(query('inbox.test', 'MX', 1)), framed(query('mx.inbox.test', 'A', 2))]);
    for (const cut of [1, 2, 3, 20, octets.length - 1]) {
      const replies = (await askByTcp([octets.subarray(0, cut), octets.subarray(cut)], 2)).map(answer);
      assert.deepEqual(
        replies.map(({ id, answers }) => [id, answers.length]),
        [
          [1, 1],
          [2, 1],
        ],
      );
    }
  });
  test('a length no query has ends the connection', async () =>
    assert.deepEqual(await askByTcp([Buffer.from([0xff, 0xff])], 1), []));
  test('what is no query ends the connection', async () =>
    assert.deepEqual(await askByTcp([framed(Buffer.from('hello'))], 1), []));
});
