import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { type Config, readConfig } from '../config/config.ts';
import { type Certificates } from './boot.ts';
import { ownStsText } from './own-sts.ts';
import { PolicyServer } from './policy-server.ts';

const FILE = '/.well-known/mta-sts.txt';
const authority = makeAuthority();

function config(mtaSts: object = {}): Config {
  const read = readConfig(
    {
      ...{ hostname: 'mx.a.test', relay: { domains: ['a.test', 'b.test'] }, routes: [{ kind: 'mx', name: 'out' }] },
      mtaSts: { mode: 'enforce', https: true, httpsHost: '127.0.0.1', httpsPort: 0, ...mtaSts },
    },
    '/',
  );
  if (!read.ok) throw new Error(read.problems.map(String).join());
  return read.value;
}

function pair(...names: readonly [string, ...string[]]) {
  const { cert, key } = authority.issue(...names);
  return { certificate: cert, key, names };
}

const certificates = (...names: readonly string[]): Certificates => ({
  ...pair('mx.a.test'),
  named: names.map((name) => pair(name)),
});

interface Open {
  readonly server: PolicyServer;
  readonly port: number;
  readonly log: string[];
}

async function open(t: TestContext, given: Certificates, wanted: Config = config()): Promise<Open> {
  const log: string[] = [];
  const note = (text: string): void => void log.push(text);
  const server = new PolicyServer({
    log: { error: note, warn: note, info: note },
    policyOf: (domain) => ownStsText(wanted, domain),
  });
  await server.apply(wanted, given);
  t.after(() => server.close());
  return { server, port: server.address?.port ?? 0, log };
}

interface Asked {
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
}

/** As another mail server fetches it: the certificate is checked for the name. */
function fetchPolicy(port: number, { host = 'mta-sts.a.test', path = FILE, method = 'GET' }: Asked = {}) {
  return new Promise<{ readonly code: number; readonly text: string }>((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, servername: host, headers: { host }, ca: authority.cert };
    const asked = request({ ...options, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, text }));
    });
    asked.on('error', reject).end();
  });
}

describe('policies by HTTPS', () => {
  test('each domain has its own, under a certificate for its name', async (t) => {
    const { port, log } = await open(t, certificates('mta-sts.a.test', 'mta-sts.b.test'));
    for (const host of ['mta-sts.a.test', 'mta-sts.b.test']) {
      const { code, text } = await fetchPolicy(port, { host });
      assert.equal(code, 200);
      assert.match(text, /^version: STSv1\r\nmode: enforce\r\nmx: mx\.a\.test\r\n/);
    }
    assert.deepEqual(log, []);
  });

  const refused: readonly (Asked & { readonly name: string; readonly want: number })[] = [
    { name: 'another path', path: '/', want: 404 },
    { name: 'the API', path: '/api/status', want: 404 },
    { name: 'another method', method: 'POST', want: 405 },
  ];
  for (const { name, want, ...asked } of refused)
    test(`${name} is not to be had`, async (t) => {
      const { port } = await open(t, certificates('mta-sts.a.test', 'mta-sts.b.test'));
      assert.equal((await fetchPolicy(port, asked)).code, want);
    });

  test('a domain without a certificate is told of, and nobody takes its policy', async (t) => {
    const { port, log } = await open(t, certificates('mta-sts.a.test'));
    assert.equal(log.length, 1);
    assert.match(log[0]!, /no certificate is for mta-sts\.b\.test/);
    await assert.rejects(fetchPolicy(port, { host: 'mta-sts.b.test' }), /altname|does not match/);
  });

  test('new certificates count without a new listener', async (t) => {
    const { server, port } = await open(t, certificates('mta-sts.a.test'));
    server.renewed(config(), certificates('mta-sts.a.test', 'mta-sts.b.test'));
    assert.equal((await fetchPolicy(port, { host: 'mta-sts.b.test' })).code, 200);
    await server.apply(config({ mode: 'testing' }), certificates('mta-sts.a.test', 'mta-sts.b.test'));
    assert.equal(server.address?.port, port);
  });

  for (const [name, mtaSts, given] of [
    ['not asked for', { https: false }, certificates()],
    ['no policy', { mode: 'off' }, certificates()],
    ['no certificate', {}, { certificate: '', key: '' }],
  ] as const)
    test(`${name}: it does not listen`, async (t) => {
      assert.equal((await open(t, given, config(mtaSts))).server.address, undefined);
    });

  test('who makes no handshake does not keep it from its end', async (t) => {
    const { server, port } = await open(t, certificates('mta-sts.a.test'));
    const silent = connectTcp({ host: '127.0.0.1', port });
    await once(silent, 'connect');
    const gone = once(
      silent.resume().on('error', () => undefined),
      'close',
    );
    await server.close();
    await gone;
  });

  test('a port that is taken is named', async (t) => {
    const { port } = await open(t, certificates('mta-sts.a.test', 'mta-sts.b.test'));
    await assert.rejects(
      open(t, certificates(), config({ httpsPort: port })),
      /mtaSts\.https cannot listen on 127\.0\.0\.1/,
    );
  });

  test('clear text, garbage, and a client that goes away cost nothing', async (t) => {
    const { port } = await open(t, certificates('mta-sts.a.test', 'mta-sts.b.test'));
    for (const octets of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\xff\xff\x01', '\0'.repeat(1000)]) {
      const socket = connectTcp(port, '127.0.0.1').on('error', () => {});
      socket.write(octets, 'latin1');
      await new Promise(
        (resolve) =>
          void socket
            .once('close', resolve)
            .once('data', () => socket.destroy())
            .end(),
      );
    }
    const gone = connect({ port, host: '127.0.0.1', servername: 'mta-sts.a.test', ca: authority.cert });
    await new Promise((resolve) => void gone.once('secureConnect', resolve));
    gone.write(`GET ${FILE} HTTP/1.1\r\nHost: mta-sts.a.test\r\nX: ${'y'.repeat(9000)}`);
    gone.destroy();
    assert.equal((await fetchPolicy(port)).code, 200);
  });
});
