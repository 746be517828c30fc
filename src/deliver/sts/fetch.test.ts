import assert from 'node:assert/strict';
import { type RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Certificate, makeAuthority } from '../../../test/lib/certificates.ts';
import { HandClock } from '../../../test/lib/hand-clock.ts';
import { zoneResolver } from '../../../test/lib/zone-resolver.ts';
import { MAX_POLICY_OCTETS } from '../../tlspolicy/mta-sts.ts';
import { type FetchOptions, fetchStsPolicy } from './fetch.ts';

const POLICY = 'version: STSv1\nmode: enforce\nmx: *.b.test\nmax_age: 86400\n';
const ASKED = { kind: 'policy', policy: { mode: 'enforce', mx: ['*.b.test'], maxAge: 86_400 } };

const authority = makeAuthority();
const right = authority.issue('mta-sts.b.test');
const servers: Server[] = [];

async function serve(handler: RequestListener, certificate: Certificate = right): Promise<number> {
  const server = createServer({ cert: certificate.cert, key: certificate.key }, handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const text =
  (body: string | Buffer, headers = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, { 'content-type': 'text/plain', ...headers }).end(body);

const options = (port: number, more: Partial<FetchOptions> = {}): FetchOptions => ({
  resolver: zoneResolver({ 'mta-sts.b.test': { A: ['127.0.0.1'] } }),
  timers: new HandClock(),
  family: 'ipv4',
  timeout: 60_000,
  port,
  ca: authority.cert,
  prohibited: () => false,
  ...more,
});

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

describe('a policy that is served as it should be', () => {
  test('is read, from the well-known place and the right host', async () => {
    const asked: unknown[] = [];
    const port = await serve((request, response) => {
      asked.push([request.method, request.url, request.headers.host]);
      text(POLICY)(request, response);
    });
    assert.deepEqual(await fetchStsPolicy('b.test', options(port)), ASKED);
    assert.deepEqual(asked, [['GET', '/.well-known/mta-sts.txt', `mta-sts.b.test:${port}`]]);
  });

  const good: readonly [string, RequestListener][] = [
    ['with a character set', text(POLICY, { 'content-type': 'Text/Plain; charset=utf-8' })],
    [
      'in pieces',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        for (const octet of POLICY) response.write(octet);
        response.end();
      },
    ],
    ['with CRLF', text(POLICY.replaceAll('\n', '\r\n'))],
    ['of exactly 64 KB', text(POLICY + `x: ${'y'.repeat(MAX_POLICY_OCTETS - POLICY.length - 4)}\n`)],
  ];
  for (const [name, handler] of good)
    test(name, async () => assert.deepEqual(await fetchStsPolicy('b.test', options(await serve(handler))), ASKED));

  test('by a certificate for all of the domain', async () => {
    const port = await serve(text(POLICY), authority.issue('*.b.test'));
    assert.deepEqual(await fetchStsPolicy('b.test', options(port)), ASKED);
  });

  test('an address that nobody answers at is passed over', async () => {
    const port = await serve(text(POLICY));
    const resolver = zoneResolver({ 'mta-sts.b.test': { A: ['127.0.0.2', '127.0.0.1'] } });
    assert.deepEqual(await fetchStsPolicy('b.test', options(port, { resolver })), ASKED);
  });
});

describe('what is no policy', () => {
  const FETCH = 'sts-policy-fetch-error';
  const hostile: readonly { name: string; handler: RequestListener; type: string; says: RegExp }[] = [
    {
      name: 'a redirect',
      type: FETCH,
      says: /answered 301/,
      handler: (_request, response) =>
        response.writeHead(301, { location: '/other', 'content-type': 'text/plain' }).end(POLICY),
    },
    {
      name: 'not there',
      type: FETCH,
      says: /answered 404/,
      handler: (_request, response) => response.writeHead(404).end(),
    },
    {
      name: 'no content',
      type: FETCH,
      says: /answered 204/,
      handler: (_request, response) => response.writeHead(204).end(),
    },
    { name: 'a web page', type: FETCH, says: /text\/html/, handler: text(POLICY, { 'content-type': 'text/html' }) },
    {
      name: 'gzip, which nobody asked for',
      type: FETCH,
      says: /encoding/,
      handler: text(POLICY, { 'content-encoding': 'gzip' }),
    },
    { name: 'announced too long', type: FETCH, says: /65536 octets/, handler: text('x'.repeat(MAX_POLICY_OCTETS + 1)) },
    {
      name: 'too long and unannounced',
      type: FETCH,
      says: /65536 octets/,
      handler: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const more = (): void => void (response.write('x'.repeat(1000)) && setImmediate(more));
        response.on('drain', more);
        more();
      },
    },
    {
      name: 'cut short',
      type: FETCH,
      says: /cut short/,
      handler: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1000 });
        response.write(POLICY, () => response.destroy());
      },
    },
    {
      name: 'a connection that is closed',
      type: FETCH,
      says: /ECONNRESET/,
      handler: (request) => request.socket.destroy(),
    },
    {
      name: 'headers without end',
      type: FETCH,
      says: /HPE_HEADER_OVERFLOW/,
      handler: (request) => request.socket.end(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}`),
    },
    { name: 'not a policy', type: 'sts-policy-invalid', says: /line 1/, handler: text('hello') },
    { name: 'nothing', type: 'sts-policy-invalid', says: /version is missing/, handler: text('') },
  ];
  for (const { name, handler, type, says } of hostile) {
    test(name, async () => {
      const fetched = await fetchStsPolicy('b.test', options(await serve(handler)));
      assert.ok(fetched.kind === 'failed');
      assert.equal(fetched.resultType, type);
      assert.match(fetched.reason, says);
    });
  }

  const certificates: readonly { name: string; certificate: () => Certificate; says: RegExp }[] = [
    { name: 'for another name', certificate: () => authority.issue('b.test'), says: /ERR_TLS_CERT_ALTNAME_INVALID/ },
    {
      name: 'of another authority',
      certificate: () => makeAuthority().issue('mta-sts.b.test'),
      says: /UNABLE_TO_VERIFY|SELF_SIGNED|unable to/i,
    },
    { name: 'without an alternative name', certificate: () => makeAuthority(), says: /./ },
  ];
  for (const { name, certificate, says } of certificates) {
    test(`a certificate ${name}`, async () => {
      const fetched = await fetchStsPolicy('b.test', options(await serve(text(POLICY), certificate())));
      assert.ok(fetched.kind === 'failed');
      assert.equal(fetched.resultType, 'sts-webpki-invalid');
      assert.match(fetched.reason, says);
    });
  }

  test('octets one by one, for longer than the time limit', async () => {
    const clock = new HandClock();
    let begun = (): void => {};
    const talking = new Promise<void>((resolve) => (begun = resolve));
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('v');
      begun();
    });
    const fetching = fetchStsPolicy('b.test', options(port, { timers: clock }));
    await talking;
    clock.advance(60_000);
    const fetched = await fetching;
    assert.ok(fetched.kind === 'failed');
    assert.match(fetched.reason, /too slow|cut short/);
  });
});

describe('where it is not asked', () => {
  let port: number;
  let asked = 0;
  before(async () => {
    port = await serve((request, response) => {
      asked++;
      text(POLICY)(request, response);
    });
  });

  const cases = [
    {
      name: 'at a prohibited address',
      more: { prohibited: (address: string) => address.startsWith('127.') },
      says: /nothing is fetched/,
    },
    { name: 'without an address', more: { resolver: zoneResolver({}) }, says: /has no address/ },
    {
      name: 'while the name cannot be looked up',
      more: { resolver: zoneResolver({ 'mta-sts.b.test': 'SERVFAIL' }) },
      says: /SERVFAIL/,
    },
    {
      name: 'where nobody listens',
      more: { resolver: zoneResolver({ 'mta-sts.b.test': { A: ['127.0.0.3'] } }) },
      says: /ECONNREFUSED/,
    },
  ];
  for (const { name, more, says } of cases) {
    test(name, async () => {
      const fetched = await fetchStsPolicy('b.test', options(port, more));
      assert.ok(fetched.kind === 'failed');
      assert.equal(fetched.resultType, 'sts-policy-fetch-error');
      assert.match(fetched.reason, says);
      assert.equal(asked, 0);
    });
  }
});
