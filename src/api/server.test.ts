import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { type Log } from '../ports/log.ts';
import { ENTRY, fakeAdmin, type FakeAdmin, NOT_FOUND } from './admin.fixtures.contract.ts';
import { CALLS } from './calls.ts';
import { Refusal, type SandboxPort } from './contract.ts';
import { type ApiDeps, buildApi, listenHttp } from './server.ts';

const HOUR = 3_600_000;
const ACCESS = { host: '127.0.0.1', names: [] };

function depsOf(admin: FakeAdmin, more: Partial<ApiDeps> = {}): ApiDeps & { readonly logged: string[] } {
  const logged: string[] = [];
  const write = (text: string): void => void logged.push(text);
  const log: Log = { error: write, warn: write, info: write };
  return {
    admin,
    clock: { now: () => 1_000_000, monotonic: () => 0 },
    log,
    health: () => ({ live: true, ready: false, parts: [{ part: 'queueManager', state: 'starting', reason: 'reads' }] }),
    metrics: () => Promise.resolve('postrider_up 1\n'),
    metricsContentType: 'text/plain; version=0.0.4',
    version: '1.2.3',
    sandbox: undefined,
    logged,
    ...more,
  };
}

function api(more: Partial<ApiDeps> = {}, access: typeof ACCESS | undefined = undefined) {
  const admin = fakeAdmin();
  const deps = depsOf(admin, more);
  const app = buildApi(deps, access);
  const get = (url: string, headers: Record<string, string> = { host: 'localhost' }) => app.inject({ url, headers });
  const post = (url: string, payload: unknown) =>
    app.inject({
      method: 'POST',
      url,
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      headers: { host: 'localhost', 'content-type': 'application/json' },
    });
  return { app, admin, deps, get, post };
}

interface Failure {
  readonly error: { readonly kind: string; readonly message: string };
}

describe('a call reaches the product with what was asked', () => {
  const cases: readonly (readonly [
    method: 'get' | 'post',
    url: string,
    body: unknown,
    call: string,
    argument: object,
  ])[] = [
    [
      'get',
      '/api/v1/queue?domain=example.com&limit=5&lane=held',
      undefined,
      'list',
      { domain: 'example.com', limit: 5, lane: 'held' },
    ],
    ['get', '/api/v1/queue?sender=%3C%3E', undefined, 'list', { sender: '<>' }],
    ['get', '/api/v1/messages/abc', undefined, 'message', { id: 'abc' }],
    ['get', '/api/v1/explain?target=bob%40example.com', undefined, 'explain', { target: 'bob@example.com' }],
    ['get', '/api/v1/status', undefined, 'status', {}],
    [
      'get',
      '/api/v1/events?kind=directoryChanged&since=5&limit=7&after=x',
      undefined,
      'events',
      { kind: 'directoryChanged', since: 5, limit: 7, after: 'x' },
    ],
    [
      'post',
      '/api/v1/queue/remove',
      { select: { id: 'a' }, tellSender: true },
      'remove',
      { select: { id: 'a' }, tellSender: true },
    ],
    [
      'post',
      '/api/v1/suspend',
      { target: { domain: 'a.test' }, until: 5 },
      'suspend',
      { target: { domain: 'a.test' }, until: 5 },
    ],
    ['post', '/api/v1/pause', { what: 'all' }, 'pause', { what: 'all' }],
    ['post', '/api/v1/reload', {}, 'reload', {}],
  ];
  for (const [method, url, body, call, argument] of cases)
    test(`${method} ${url}`, async () => {
      const { admin, get, post } = api();
      const answer = method === 'get' ? await get(url) : await post(url, body);
      assert.equal(answer.statusCode, 200, answer.body);
      assert.deepEqual(admin.asked, [[call, argument]]);
    });

  test('there is a route for every call of the contract', async () => {
    const { app } = api();
    await app.ready();
    for (const [name, { method, path }] of Object.entries(CALLS))
      assert.ok(app.hasRoute({ method, url: `/api/v1${path}` }), name);
  });
});

describe('a request that makes no sense is refused with a reason, and nothing is asked', () => {
  const cases: readonly (readonly [
    name: string,
    method: 'get' | 'post',
    url: string,
    body: unknown,
    status: number,
    want: RegExp,
  ])[] = [
    [
      'an event of no kind',
      'get',
      '/api/v1/events?kind=teleported',
      undefined,
      400,
      /^query\.kind must be one of accepted, /,
    ],
    ['an unknown filter', 'get', '/api/v1/queue?colour=red', undefined, 400, /^query has no colour: the names are /],
    [
      'a filter that is nearly one',
      'get',
      '/api/v1/events?sicne=1',
      undefined,
      400,
      /^query has no sicne: did you mean since\?$/,
    ],
    [
      'an empty password',
      'post',
      '/api/v1/credentials/add',
      { user: 'a', password: '' },
      400,
      /^body\.password must not be empty$/,
    ],
    ['a page that is too large', 'get', '/api/v1/queue?limit=100000', undefined, 400, /^query\.limit must be <= 1000$/],
    [
      'a lane that is not there',
      'get',
      '/api/v1/queue?lane=slow',
      undefined,
      400,
      /^query\.lane must be one of fresh, deferred, held$/,
    ],
    ['no selection', 'post', '/api/v1/queue/retry', {}, 400, /^body must have required property 'select'$/],
    ['a list for an object', 'post', '/api/v1/queue/retry', [], 400, /must be object/],
    ['what is not JSON', 'post', '/api/v1/queue/retry', '{', 400, /not valid JSON|Unexpected|JSON/],
    ['a prototype', 'post', '/api/v1/queue/retry', '{"select":{},"__proto__":{"all":true}}', 400, /JSON|proto/],
    ['a body that is too large', 'post', '/api/v1/queue/retry', `"${'x'.repeat(70_000)}"`, 413, /too large/],
    [
      'a text that is too long',
      'post',
      '/api/v1/suspend',
      { target: { domain: 'x'.repeat(1001) } },
      400,
      /more than 1000/,
    ],
    ['an address that is not there', 'get', '/api/v1/nothing', undefined, 404, /there is nothing at GET/],
    ['a method that is not there', 'get', '/api/v1/reload', undefined, 404, /there is nothing at GET/],
  ];
  for (const [name, method, url, body, status, want] of cases)
    test(name, async () => {
      const { admin, get, post } = api();
      const answer = method === 'get' ? await get(url) : await post(url, body);
      assert.equal(answer.statusCode, status, answer.body);
      assert.match(answer.json<Failure>().error.message, want);
      assert.deepEqual(admin.asked, []);
    });
});

describe('what is no request at all is refused in the same form', () => {
  const cases: readonly (readonly [name: string, octets: string, status: number, kind: string])[] = [
    [
      'an address that cannot be read',
      'GET /% HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      400,
      'invalid',
    ],
    ['garbage', 'garbage\r\n\r\n', 400, 'invalid'],
    [
      'a header section that is too large',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'invalid',
    ],
    ...(['PUT', 'DELETE', 'TRACE'] as const).map(
      (method) =>
        [
          `${method} where only GET is`,
          `${method} / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
          404,
          'notFound',
        ] as const,
    ),
  ];
  for (const [name, octets, status, kind] of cases)
    test(name, async () => {
      const { app } = api({}, ACCESS);
      const { port } = await listenHttp(app, '127.0.0.1', 0);
      try {
        const socket = connect(port, '127.0.0.1');
        socket.write(octets);
        const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
        assert.equal(head.split(' ')[1], String(status));
        assert.equal((JSON.parse(body) as Failure).error.kind, kind);
      } finally {
        await app.close();
      }
    });
});

describe('what the product refuses', () => {
  const cases: readonly (readonly [Refusal, number])[] = [
    [NOT_FOUND, 404],
    [new Refusal('invalid', 'no such pattern'), 400],
    [new Refusal('conflict', 'it is stopping'), 409],
  ];
  for (const [refusal, status] of cases)
    test(`${refusal.kind} is answered with ${status}`, async () => {
      const { admin, get } = api();
      admin.answers.message = refusal;
      const answer = await get('/api/v1/messages/x');
      assert.equal(answer.statusCode, status);
      assert.deepEqual(answer.json(), { error: { kind: refusal.kind, message: refusal.message } });
    });
  test('a bug tells the log, not the caller', async () => {
    const { admin, get, deps } = api();
    admin.answers.status = new Error('secret details');
    const answer = await get('/api/v1/status');
    assert.equal(answer.statusCode, 500);
    assert.doesNotMatch(answer.body, /secret/);
    assert.deepEqual(deps.logged, ['a request to the API failed']);
  });
});

test('content is sent octet for octet, as a message and not as a page', async () => {
  const { get } = api();
  const answer = await get('/api/v1/messages/abc/content');
  assert.deepEqual([...answer.rawPayload], [0x53, 0x3a, 0x0d, 0x0a, 0xff, 0x00]);
  assert.equal(answer.headers['content-type'], 'message/rfc822');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
});

test('metrics, health and version', async () => {
  const { get } = api();
  assert.equal((await get('/metrics')).body, 'postrider_up 1\n');
  assert.equal((await get('/health/live')).statusCode, 200);
  const ready = await get('/health/ready');
  assert.equal(ready.statusCode, 503);
  assert.match(ready.body, /"reads"/);
  assert.deepEqual((await get('/api/v1/version')).json(), { version: '1.2.3' });
});

test('the page is HTML with a policy that lets nothing run', async () => {
  const { get } = api();
  const answer = await get('/');
  assert.match(answer.body, /<h1>Postrider<\/h1>/);
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
  assert.match(answer.body, new RegExp(ENTRY.message));
});

describe('the guard stands before HTTP and not before the control socket', () => {
  test('a foreign name', async () => {
    assert.equal((await api({}, ACCESS).get('/api/v1/status', { host: 'evil.example' })).statusCode, 403);
    assert.equal((await api().get('/api/v1/status', { host: 'evil.example' })).statusCode, 200);
  });
  test('a form', async () => {
    const { app, admin } = api({}, ACCESS);
    const headers = { host: 'localhost', 'content-type': 'text/plain' };
    const answer = await app.inject({ method: 'POST', url: '/api/v1/drain', payload: '{}', headers });
    assert.equal(answer.statusCode, 415);
    assert.deepEqual(admin.asked, []);
  });
});

describe('the sandbox', () => {
  const steps: object[] = [];
  const sandbox: SandboxPort = {
    messages: () =>
      Promise.resolve([
        {
          id: 'a/b',
          recipients: ['x@inbox.test'],
          reversePath: '',
          subject: 's',
          receivedAt: 1,
          octets: 2,
          server: 'i',
        },
      ]),
    raw: (id) => Promise.resolve(id === 'a/b' ? Buffer.from('raw') : undefined),
    moveClock: (step) => {
      steps.push(step);
      return Promise.resolve(86_400_000);
    },
  };
  test('lists what was received, with a link that leads to it', async () => {
    const { get } = api({ sandbox });
    const { messages } = (await get('/api/v1/sandbox/messages?limit=5')).json<{ messages: { raw: string }[] }>();
    assert.equal((await get(messages[0]!.raw)).body, 'raw');
    assert.equal((await get('/api/v1/sandbox/messages/zzz/raw')).statusCode, 404);
  });
  test('moves its clock by a span or to a time', async () => {
    const { post } = api({ sandbox });
    const answer = await post('/api/v1/sandbox/clock', { advance: '1h' });
    assert.deepEqual(answer.json(), { now: 86_400_000, iso: '1970-01-02T00:00:00.000Z' });
    await post('/api/v1/sandbox/clock', { to: '1970-01-01T00:00:01Z' });
    assert.deepEqual(steps, [{ by: HOUR }, { to: 1000 }]);
  });
  for (const body of [{}, { advance: 'soon' }, { to: 'tomorrow' }, { advance: '1h', to: '2030-01-01' }])
    test(`refuses to move it by ${JSON.stringify(body)}`, async () => {
      const answer = await api({ sandbox }).post('/api/v1/sandbox/clock', body);
      assert.equal(answer.statusCode, 400);
    });
  test('is not there elsewhere', async () => {
    assert.equal((await api().get('/api/v1/sandbox/messages')).statusCode, 404);
  });
});

test('it listens where the system lets it', async () => {
  const { app } = api({}, ACCESS);
  const { address, port } = await listenHttp(app, '127.0.0.1', 0);
  try {
    const answer = await fetch(`http://${address}:${port}/api/v1/version`);
    assert.deepEqual(await answer.json(), { version: '1.2.3' });
  } finally {
    await app.close();
  }
});
