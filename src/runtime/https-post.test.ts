import assert from 'node:assert/strict';
import { type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { zoneResolver } from '../../test/lib/zone-resolver.ts';
import { type PostOptions, postReport } from './https-post.ts';

const authority = makeAuthority();
const certificate = authority.issue('reports.b.test');

const OPTIONS: PostOptions = {
  resolver: zoneResolver({ 'reports.b.test': { A: ['127.0.0.1'] }, 'other.b.test': { A: ['127.0.0.1'] } }),
  timers: new HandClock(),
  family: 'ipv4',
  timeout: 60_000,
  ca: authority.cert,
  prohibited: () => false,
};

async function serve(t: TestContext, handler: RequestListener): Promise<number> {
  const server = createServer({ cert: certificate.cert, key: certificate.key }, handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('a report that is handed in', () => {
  test('comes as it was, to where the record says', async (t) => {
    const got: unknown[] = [];
    const port = await serve(t, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        got.push([request.method, request.url, request.headers['content-type'], String(Buffer.concat(chunks))]);
        response.writeHead(201).end();
      });
    });
    assert.equal(await postReport(`https://reports.b.test:${port}/tls?x=1`, Buffer.from('zip'), OPTIONS), undefined);
    assert.deepEqual(got, [['POST', '/tls?x=1', 'application/tlsrpt+gzip', 'zip']]);
  });

  const refused: readonly [string, RequestListener, RegExp][] = [
    ['a redirect', (_request, response) => response.writeHead(307, { location: '/' }).end(), /answered 307/],
    ['a failure', (_request, response) => response.writeHead(500).end(), /answered 500/],
    ['a closed connection', (request) => request.socket.destroy(), /ECONNRESET/],
  ];
  for (const [name, handler, says] of refused) {
    test(`${name} is told`, async (t) => {
      const port = await serve(t, handler);
      assert.match((await postReport(`https://reports.b.test:${port}/`, Buffer.from('x'), OPTIONS)) ?? '', says);
    });
  }

  const nowhere: readonly [string, string, Partial<PostOptions>, RegExp][] = [
    ['another name', 'other.b.test', {}, /ERR_TLS_CERT_ALTNAME_INVALID/],
    [
      'an authority that is not trusted',
      'reports.b.test',
      { ca: makeAuthority().cert },
      /UNABLE_TO|SELF_SIGNED|DEPTH_ZERO/,
    ],
    ['a prohibited address', 'reports.b.test', { prohibited: () => true }, /nothing is sent to/],
    ['a literal address that is prohibited', '127.0.0.1', { prohibited: () => true }, /nothing is sent to/],
    ['a name without address', 'none.test', {}, /has no address/],
  ];
  for (const [name, host, more, says] of nowhere) {
    test(`${name} gets nothing`, async (t) => {
      let asked = 0;
      const port = await serve(t, () => void asked++);
      assert.match(
        (await postReport(`https://${host}:${port}/`, Buffer.from('x'), { ...OPTIONS, ...more })) ?? '',
        says,
      );
      assert.equal(asked, 0);
    });
  }

  test('comes by the address that can be reached', async (t) => {
    const resolver = zoneResolver({ 'reports.b.test': { A: ['127.0.0.2', '127.0.0.1'] } });
    let asked = 0;
    const port = await serve(t, (_request, response) => {
      asked += 1;
      response.writeHead(200).end();
    });
    const posted = await postReport(`https://reports.b.test:${port}/`, Buffer.from('x'), { ...OPTIONS, resolver });
    assert.deepEqual([posted, asked], [undefined, 1]);
  });

  test('is not tried at further addresses once there was an answer', async (t) => {
    const resolver = zoneResolver({ 'reports.b.test': { A: ['127.0.0.1', '127.0.0.1'] } });
    let asked = 0;
    const port = await serve(t, (_request, response) => {
      asked += 1;
      response.writeHead(500).end();
    });
    const posted = await postReport(`https://reports.b.test:${port}/`, Buffer.from('x'), { ...OPTIONS, resolver });
    assert.match(posted ?? '', /answered 500/);
    assert.equal(asked, 1);
  });

  test('one that is not answered is given up', async (t) => {
    const clock = new HandClock();
    let begun = (): void => {};
    const asked = new Promise<void>((resolve) => (begun = resolve));
    const port = await serve(t, () => begun());
    const posting = postReport(`https://reports.b.test:${port}/`, Buffer.from('x'), { ...OPTIONS, timers: clock });
    await asked;
    clock.advance(60_000);
    assert.match((await posting) ?? '', /too slow/);
  });
});
