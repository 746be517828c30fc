import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type FastifyInstance } from 'fastify';
import { ENTRY, fakeAdmin, type FakeAdmin, NOT_FOUND, STATUS } from './admin.fixtures.contract.ts';
import { connectControl, ControlError } from './control-client.ts';
import { controlSocket } from './control-socket.ts';
import { Refusal } from './contract.ts';
import { buildApi, listenControl } from './server.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'postrider-control-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function place(): string {
  return mkdtempSync(join(folder, 's-'));
}

async function kindOf(spool: string): Promise<string> {
  const failure = await connectControl(spool)
    .status()
    .then(() => undefined)
    .catch((error: unknown) => error);
  assert.ok(failure instanceof ControlError, String(failure));
  return failure.kind;
}

describe('a running server', () => {
  let app: FastifyInstance;
  let admin: FakeAdmin;
  let spool = '';
  before(async () => {
    admin = fakeAdmin();
    spool = place();
    const quiet = (): void => undefined;
    app = buildApi(
      {
        admin,
        clock: { now: () => 0, monotonic: () => 0 },
        log: { error: quiet, warn: quiet, info: quiet },
        health: () => ({ live: true, ready: true, parts: [] }),
        metrics: () => Promise.resolve('m 1\n'),
        metricsContentType: 'text/plain',
        version: '1',
        sandbox: undefined,
      },
      undefined,
    );
    await listenControl(app, controlSocket(spool));
  });
  after(() => app.close());

  test('answers as its Admin does', async () => {
    const control = connectControl(spool);
    assert.deepEqual(await control.status(), STATUS);
    assert.deepEqual((await control.list({ domain: 'example.com', limit: 3 })).entries, [ENTRY]);
    assert.deepEqual(await control.retry({ select: { id: 'x y' }, by: 'ann' }), { entries: 2, inFlight: 1 });
    await control.message({ id: 'a/0' });
    assert.deepEqual(admin.asked.slice(1), [
      ['list', { domain: 'example.com', limit: 3 }],
      ['retry', { select: { id: 'x y' }, by: 'ann' }],
      ['message', { id: 'a/0' }],
    ]);
  });
  test('gives content octet for octet', async () => {
    assert.deepEqual([...(await connectControl(spool).content({ id: 'a' }))], [0x53, 0x3a, 0x0d, 0x0a, 0xff, 0x00]);
  });
  test('refuses as its Admin does', async () => {
    admin.answers.explain = NOT_FOUND;
    await assert.rejects(connectControl(spool).explain({ target: 'x' }), (error: unknown) => {
      assert.ok(error instanceof Refusal);
      assert.deepEqual([error.kind, error.message], [NOT_FOUND.kind, NOT_FOUND.message]);
      return true;
    });
  });
  test('says that it failed', async () => {
    admin.answers.sites = new Error('a bug');
    await assert.rejects(connectControl(spool).sites({}), {
      kind: 'failed',
      message: /the log of the server says more/,
    });
  });
  test('gives metrics as text', async () => assert.equal(await connectControl(spool).text('/metrics'), 'm 1\n'));
  test('has a socket for its own user only', () => assert.equal(statSync(controlSocket(spool)).mode & 0o777, 0o600));
});

describe('no answer', () => {
  async function impostor(
    onConnection: Parameters<typeof createServer>[1],
  ): Promise<{ spool: string; server: Server }> {
    const spool = place();
    const server = createServer(onConnection);
    await new Promise<void>((resolve) => server.listen(controlSocket(spool), resolve));
    return { spool, server };
  }
  test('nobody can be there: the path of its socket is too long', async () => {
    const spool = join(place(), 'x'.repeat(120));
    assert.equal(await kindOf(spool), 'notRunning');
    await assert.rejects(
      connectControl(spool).status(),
      /no server can be there: the path of the control socket, \/.*, has \d+ octets, and 107 is the most$/,
    );
  });
  test('nobody is there: no socket', async () => assert.equal(await kindOf(place()), 'notRunning'));
  test('nobody is there: a file in its place', async () => {
    const spool = place();
    writeFileSync(controlSocket(spool), '');
    assert.equal(await kindOf(spool), 'notRunning');
  });
  test('somebody hangs up', async () => {
    const { spool, server } = await impostor((socket) => socket.destroy());
    assert.equal(await kindOf(spool), 'notAnswering');
    server.close();
  });
  const nonsense: readonly (readonly [string, string])[] = [
    ['what is not HTTP', '220 mx.test ESMTP\r\n'],
    ['what is not JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'],
    ['what is no object', 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull'],
    ['a refusal that says nothing', 'HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\n{}'],
  ];
  for (const [name, text] of nonsense)
    test(`somebody answers ${name}`, async () => {
      const { spool, server } = await impostor((socket) => socket.on('error', () => undefined).end(text));
      assert.match(await kindOf(spool), /^(?:failed|notAnswering)$/);
      server.close();
    });
});
