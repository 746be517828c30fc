import assert from 'node:assert/strict';
import { type RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { after, describe, test, type TestContext } from 'node:test';
import { type Certificate, makeAuthority } from '../../test/lib/certificates.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { type Asking, exchange, type NoAnswer, within } from './exchange.ts';

const authority = makeAuthority();
const right = authority.issue('web.test');
const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: RequestListener, { cert, key }: Certificate = right): Promise<number> {
  const server = createServer({ cert, key }, handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function ask(port: number, more: Partial<Asking> = {}) {
  return exchange({
    ...{ method: 'GET', url: new URL(`https://web.test:${port}/a?b=c`), address: '127.0.0.1', maxOctets: 1000 },
    ...{ ca: authority.cert, signal: new AbortController().signal, ...more },
  });
}

async function refused(port: number, more: Partial<Asking> = {}): Promise<NoAnswer> {
  const outcome = await ask(port, more);
  assert.ok(outcome.kind === 'none', JSON.stringify(outcome));
  return outcome;
}

describe('an answer', () => {
  test('comes as it is, to what was asked', async () => {
    const asked: unknown[] = [];
    const port = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { host, 'content-length': length, 'x-own': own } = request.headers;
        asked.push([request.method, request.url, host, length, own, String(Buffer.concat(chunks))]);
        response.writeHead(418, { 'x-a': 'b' }).end('näh');
      });
    });
    const answer = await ask(port, { method: 'POST', body: 'ä', headers: { 'x-own': '1' } });
    assert.ok(answer.kind === 'answer');
    assert.deepEqual([answer.code, answer.headers['x-a'], String(answer.body)], [418, 'b', 'näh']);
    assert.deepEqual(asked, [['POST', '/a?b=c', `web.test:${port}`, '2', '1', 'ä']]);
  });

  test('is whole when it comes in pieces and the connection is gone at once', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { connection: 'close' });
      for (let i = 0; i < 1000; i += 1) response.write('x');
      response.end();
    });
    const answer = await ask(port);
    assert.ok(answer.kind === 'answer' && answer.body.length === 1000);
  });

  test('to HEAD has no body, whatever it says of its length', async () => {
    const port = await serve((_request, response) => response.writeHead(200, { 'content-length': 1e9 }).end());
    const answer = await ask(port, { method: 'HEAD' });
    assert.ok(
      answer.kind === 'answer' && answer.body.length === 0 && answer.headers['content-length'] === '1000000000',
    );
  });

  test('that redirects is an answer, and nobody goes there', async () => {
    let asked = 0;
    const port = await serve((_request, response) => {
      asked += 1;
      response.writeHead(301, { location: '/there' }).end();
    });
    const answer = await ask(port);
    assert.deepEqual([answer.kind === 'answer' && answer.code, asked], [301, 1]);
  });

  test('whose body nobody wants is not read', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(404);
      const more = (): void => void (response.write('x'.repeat(10_000)) && setImmediate(more));
      response.on('drain', more);
      more();
    });
    const answer = await ask(port, { wants: ({ code }) => code === 200 });
    assert.ok(answer.kind === 'answer' && answer.code === 404 && answer.body.length === 0);
  });

  test('of an address needs a certificate for the address', async () => {
    const handler: RequestListener = (_request, response) => response.end('x');
    const at = (port: number) => ({ url: new URL(`https://127.0.0.1:${port}/`) });
    const other = await serve(handler);
    assert.equal((await refused(other, at(other))).why, 'untrusted');
    const own = await serve(handler, authority.issue('127.0.0.1'));
    assert.equal((await ask(own, at(own))).kind, 'answer');
  });
});

describe('nothing is sent', () => {
  const certificates: readonly [string, () => Certificate, RegExp][] = [
    ['for another name', () => authority.issue('other.test'), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['of another authority', () => makeAuthority().issue('web.test'), /UNABLE_TO|SELF_SIGNED|DEPTH_ZERO/],
    ['that nobody signed', () => makeAuthority(), /SELF_SIGNED|DEPTH_ZERO/],
  ];
  for (const [name, certificate, reason] of certificates)
    test(`under a certificate ${name}`, async () => {
      let asked = 0;
      const port = await serve(() => void (asked += 1), certificate());
      const outcome = await refused(port, { method: 'POST', body: 'secret' });
      assert.equal(outcome.why, 'untrusted');
      assert.match(outcome.reason, /^the certificate of web\.test:\d+ is not valid: /);
      assert.match(outcome.reason, reason);
      assert.equal(asked, 0);
    });

  test('under a trusted certificate that has a common name alone', async () => {
    let asked = 0;
    const named = makeAuthority();
    const port = await serve(() => void (asked += 1), named);
    const outcome = await refused(port, { ca: named.cert });
    assert.match(outcome.reason, /is not valid: it has no alternative name/);
    assert.deepEqual([outcome.why, asked], ['untrusted', 0]);
  });

  test('in clear text', async (t) => {
    let octets = 0;
    const port = await serveTcp(t, (socket) => socket.on('data', (chunk) => (octets += chunk.length)));
    const outcome = await refused(port, { url: new URL(`http://web.test:${port}/`) });
    assert.deepEqual([outcome.why, octets], ['unreached', 0]);
  });
});

async function serveTcp(t: TestContext, handler: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    handler(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('what a server may do', () => {
  const flood: RequestListener = (_request, response) => {
    const more = (): void => void (response.write('x'.repeat(100)) && setImmediate(more));
    response.on('drain', more);
    more();
  };
  const hostile: readonly [string, RequestListener, NoAnswer['why'], RegExp][] = [
    ['announce too much', (_request, response) => response.end('x'.repeat(1001)), 'tooLong', /more than 1000 octets$/],
    ['send without end', flood, 'tooLong', /more than 1000 octets$/],
    [
      'break off',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('x', () => response.destroy());
      },
      'cutShort',
      /was cut short$/,
    ],
    ['hang up', (request) => request.socket.destroy(), 'unreached', /ECONNRESET/],
    ['answer with what is no HTTP', (request) => request.socket.end('220 hello\r\n'), 'unreached', /HPE_/],
    [
      'send fields without end',
      (request) => request.socket.end(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}`),
      'unreached',
      /HPE_HEADER_OVERFLOW/,
    ],
    [
      'want another protocol',
      (request) => request.socket.end('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx'),
      'unreached',
      /closed|ECONNRESET/,
    ],
  ];
  for (const [name, handler, why, reason] of hostile)
    test(name, async () => {
      const outcome = await refused(await serve(handler));
      assert.equal(outcome.why, why, outcome.reason);
      assert.match(outcome.reason, /web\.test/);
      assert.match(outcome.reason, reason);
    });

  test('speak no TLS', async (t) => {
    const port = await serveTcp(t, (socket) => socket.end('220 mx.test ESMTP\r\n'));
    assert.equal((await refused(port)).why, 'unreached');
  });

  test('exactly as many octets as may be are taken', async () => {
    const answer = await ask(await serve((_request, response) => response.end('x'.repeat(1000))));
    assert.ok(answer.kind === 'answer' && answer.body.length === 1000);
  });

  for (const [name, serveSlowly] of [
    ['say nothing', (begun) => serve(() => begun())],
    [
      'say one octet',
      (begun) =>
        serve((_request, response) => {
          response.write('x');
          begun();
        }),
    ],
    ['shake no hands', (begun, t) => serveTcp(t, () => begun())],
  ] as readonly (readonly [string, (begun: () => void, t: TestContext) => Promise<number>])[])
    test(`${name}, until the time is up`, async (t) => {
      const clock = new HandClock();
      const { promise, resolve } = Promise.withResolvers<void>();
      const port = await serveSlowly(resolve, t);
      const outcome = within({ timers: clock, timeout: 60_000 }, (signal) => refused(port, { signal }));
      await promise;
      clock.advance(60_000);
      const { why, reason } = await outcome;
      assert.deepEqual([why, reason], ['slow', `web.test:${port} was too slow`]);
    });
});

test('with the time up before it begins, nobody is asked', async () => {
  let asked = 0;
  const port = await serve(() => void (asked += 1));
  assert.equal((await refused(port, { signal: AbortSignal.abort() })).why, 'slow');
  assert.equal(asked, 0);
});
