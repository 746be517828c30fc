/** What is done to TLS on purpose: injection, truncation, other protocols, handshakes that never end, and very many of them. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import process from 'node:process';
import { describe, test, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { ScriptReceiver } from '../../test/lib/dialogue.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { until } from '../../test/lib/wait.ts';
import { Networks } from '../lib/ip.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { serverOptions } from '../wire/smtp/server.ts';
import { type ServerContext, serverContext } from './certificate-choice.ts';
import { connectionCounts, SharedCounts } from './limits.ts';
import { Listener } from './listener.ts';
import { Deadlines, DEFAULT_TIMEOUTS } from './timeouts.ts';

const authority = makeAuthority();
const pairs = (['mx.test', 'other.test'] as const).map((name) => {
  const { cert, key } = authority.issue(name);
  return { certificate: cert, key, names: [name] };
});
const PARAMETERS = { parameters: tlsParameters('compatible') };
const [usual, other] = pairs as [(typeof pairs)[number], (typeof pairs)[number]];
/** With a choice the first message is read before the handshake: both ways must hold. */
const CONTEXTS: readonly (readonly [title: string, context: ServerContext])[] = [
  ['one certificate', serverContext([usual], PARAMETERS)],
  ['several certificates', serverContext([usual, other], PARAMETERS)],
];
const REAL_TIMERS = {
  after: (delay: number, wake: () => void) => {
    const handle = setTimeout(wake, delay);
    return { cancel: () => clearTimeout(handle) };
  },
};

interface Scene {
  readonly port: number;
  readonly listener: Listener;
  readonly receivers: ScriptReceiver[];
  readonly clock: HandClock;
}

interface Wish {
  readonly context: ServerContext;
  readonly implicit?: boolean;
}

async function run(t: TestContext, { context, implicit = false }: Wish): Promise<Scene> {
  const clock = new HandClock();
  const receivers: ScriptReceiver[] = [];
  const none = Networks.parse([]);
  assert.ok(none.ok);
  const quiet = (): void => undefined;
  const listener = new Listener({
    ...{ name: 'smtp', host: '127.0.0.1', port: 0, reusePort: false, implicitTls: implicit, proxyNetworks: none.value },
    makeReceiver: () => {
      receivers.push(new ScriptReceiver());
      return receivers.at(-1)!;
    },
    machine: serverOptions({ hostname: 'mx.test' }),
    ...{ maxConnections: 5000, maxConnectionsPerAddress: 5000, timers: REAL_TIMERS, clock },
    counts: new SharedCounts(connectionCounts(1), 0),
    deadlines: new Deadlines(clock, clock),
    log: { error: quiet, warn: quiet, info: quiet },
    secureContext: () => context,
    onRejected: quiet,
  });
  const { port } = await listener.open();
  t.after(() => listener.drain(0));
  return { port, listener, receivers, clock };
}

function dial(t: TestContext, port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

/** Reads on until it matches; fails by what was said instead. */
async function hear(socket: Socket, what: RegExp): Promise<string> {
  let said = '';
  const onData = (chunk: Buffer): void => void (said += chunk.toString('latin1'));
  socket.on('data', onData);
  try {
    await until(`${what} from the server`, () => what.test(said) || socket.closed);
    assert.match(said, what);
    return said;
  } finally {
    socket.off('data', onData);
  }
}

async function startTls(t: TestContext, port: number, options: ConnectionOptions = {}) {
  const plain = dial(t, port);
  plain.write('EHLO c.test\r\n');
  await hear(plain, /250 [^\r]*\r\n$/);
  plain.write('STARTTLS\r\n');
  await hear(plain, /220 2\.0\.0[^\r]*\r\n$/);
  const secured = connectTls({ socket: plain, rejectUnauthorized: false, ...options });
  secured.on('error', () => undefined);
  return { plain, secured };
}

async function gone({ listener }: Scene): Promise<void> {
  await until('the session to be over', () => listener.figures().connections === 0);
}

async function untilContent(secured: TLSSocket, command: 'DATA' | 'BDAT'): Promise<void> {
  await once(secured, 'secureConnect');
  secured.write('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\n');
  await hear(secured, /250 2\.1\.5[^\r]*\r\n$/);
  if (command === 'BDAT') return void secured.write('BDAT 1000 LAST\r\nSubject: half\r\n\r\nhalf\r\n.\r\n');
  secured.write('DATA\r\n');
  await hear(secured, /354[^\r]*\r\n$/);
  secured.write('Subject: half\r\n\r\nhalf\r\n');
}

for (const [title, context] of CONTEXTS)
  describe(`hostile TLS, ${title}`, () => {
    for (const behind of ['NOOP\r\n', 'EHLO eve.test\r\nMAIL FROM:<eve@client.test>\r\n', '\x16\x03\x01'])
      test(`clear text in the segment of STARTTLS is no command: ${JSON.stringify(behind)}`, async (t) => {
        const scene = await run(t, { context });
        const socket = dial(t, scene.port);
        socket.write('EHLO c.test\r\n');
        await hear(socket, /250 [^\r]*\r\n$/);
        socket.write(`STARTTLS\r\n${behind}`, 'latin1');
        await gone(scene);
        assert.ok(!scene.receivers[0]!.calls.includes('sender'));
      });

    test('what was said before STARTTLS counts for nothing after it', async (t) => {
      const scene = await run(t, { context });
      const { secured } = await startTls(t, scene.port);
      await once(secured, 'secureConnect');
      secured.write('MAIL FROM:<>\r\n');
      await hear(secured, /^503/);
      secured.write('EHLO c.test\r\n');
      assert.doesNotMatch(await hear(secured, /250 [^\r]*\r\n$/), /STARTTLS/);
    });

    for (const command of ['DATA', 'BDAT'] as const) {
      test(`${command}: the connection is cut without a farewell of TLS, and nothing is taken`, async (t) => {
        const scene = await run(t, { context });
        const { plain, secured } = await startTls(t, scene.port);
        await untilContent(secured, command);
        plain.destroySoon();
        await gone(scene);
        assert.deepEqual(scene.receivers[0]!.messages, []);
      });

      test(`${command}: TLS says farewell inside the content, and nothing is taken`, async (t) => {
        const scene = await run(t, { context });
        const { secured } = await startTls(t, scene.port);
        await untilContent(secured, command);
        secured.end();
        await gone(scene);
        assert.deepEqual(scene.receivers[0]!.messages, []);
      });

      test(`${command}: the end of the content in clear text, and nothing is taken`, async (t) => {
        const scene = await run(t, { context });
        const { plain, secured } = await startTls(t, scene.port);
        await untilContent(secured, command);
        plain.write('.\r\nRSET\r\n');
        await gone(scene);
        assert.deepEqual(scene.receivers[0]!.messages, []);
      });
    }

    test('a whole message before a cut without farewell is taken', async (t) => {
      const scene = await run(t, { context });
      const { plain, secured } = await startTls(t, scene.port);
      await untilContent(secured, 'DATA');
      secured.write('.\r\n');
      await hear(secured, /250 2\.0\.0/);
      plain.destroy();
      await gone(scene);
      assert.equal(scene.receivers[0]!.messages.length, 1);
    });

    for (const ALPNProtocols of [['http/1.1'], ['h2'], ['h2', 'http/1.1'], ['imap']])
      test(`a client that speaks ${ALPNProtocols.join(' and ')} is refused in the handshake`, async (t) => {
        const scene = await run(t, { context, implicit: true });
        const client = connectTls({ port: scene.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols });
        const [error] = (await once(client, 'error')) as [Error];
        assert.match(error.message, /no application protocol/);
        await gone(scene);
      });

    for (const line of ['GET / HTTP/1.1', 'POST /mail HTTP/1.1', 'CONNECT mx.test:25 HTTP/1.1'])
      test(`${line} under TLS brings no mail, whatever follows`, async (t) => {
        const scene = await run(t, { context, implicit: true });
        const client = connectTls({ port: scene.port, host: '127.0.0.1', rejectUnauthorized: false });
        client.on('error', () => undefined);
        t.after(() => client.destroy());
        await hear(client, /^220/);
        const mail = 'EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@mx.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n';
        client.end(`${line}\r\nHost: mx.test\r\n\r\n${mail}`);
        await gone(scene);
        assert.deepEqual(scene.receivers[0]!.messages, []);
      });

    const openings: readonly (readonly [title: string, octets: Buffer])[] = [
      ['SMTP where TLS should begin', Buffer.from('EHLO c.test\r\n'.repeat(20))],
      ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(20))],
      ['zeros', Buffer.alloc(70_000)],
      ['a ClientHello of 16 MiB', Buffer.concat([Buffer.from('160301400001ffffff', 'hex'), Buffer.alloc(70_000)])],
      ['empty records', Buffer.alloc(50_000, Buffer.from('1603010000', 'hex'))],
      ['alerts', Buffer.alloc(7000, Buffer.from('15030100020100', 'hex'))],
    ];
    for (const [what, octets] of openings)
      test(`${what}: the session ends, and the next one is served`, async (t) => {
        const scene = await run(t, { context, implicit: true });
        const socket = dial(t, scene.port);
        socket.resume();
        socket.write(octets);
        socket.end();
        await gone(scene);
        const client = connectTls({ port: scene.port, host: '127.0.0.1', rejectUnauthorized: false });
        t.after(() => client.destroy());
        await hear(client, /^220/);
      });

    for (const sent of ['', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'])
      test(`a handshake that stops after ${sent.length} octets is ended in time`, async (t) => {
        const scene = await run(t, { context, implicit: true });
        const socket = dial(t, scene.port);
        socket.resume();
        socket.write(sent, 'latin1');
        await until('the session to begin', () => scene.listener.figures().connections === 1);
        scene.clock.advance(DEFAULT_TIMEOUTS.greeting + 1);
        await gone(scene);
      });

    test('the first message octet by octet is a handshake like any other', async (t) => {
      const scene = await run(t, { context, implicit: true });
      const relay = createServer((from) => {
        const to = dial(t, scene.port);
        to.pipe(from);
        from.on('error', () => to.destroy());
        from.on('data', (chunk: Buffer) => {
          for (const octet of chunk) to.write(Buffer.from([octet]));
        });
      });
      relay.listen(0, '127.0.0.1');
      await once(relay, 'listening');
      t.after(() => relay.close());
      const { port } = relay.address() as { readonly port: number };
      const client = connectTls({ port, host: '127.0.0.1', servername: 'other.test', rejectUnauthorized: false });
      t.after(() => client.destroy());
      await hear(client, /^220/);
    });

    for (const servername of ['\\', '__proto__', 'a'.repeat(250), '..', '*.test'])
      test(`a name like ${JSON.stringify(servername.slice(0, 12))} is served`, async (t) => {
        const scene = await run(t, { context, implicit: true });
        const client = connectTls({ port: scene.port, host: '127.0.0.1', servername, rejectUnauthorized: false });
        t.after(() => client.destroy());
        await hear(client, /^220/);
      });

    test('a thousand handshakes at once all come to their greeting', async (t) => {
      const scene = await run(t, { context, implicit: true });
      const clients = Array.from({ length: 1000 }, () =>
        connectTls({ port: scene.port, host: '127.0.0.1', rejectUnauthorized: false }),
      );
      let greeted = 0;
      for (const client of clients) client.once('data', () => (greeted += 1)).on('error', () => undefined);
      await until('all greetings', () => greeted === clients.length, 120_000);
      for (const client of clients) client.destroy();
      await gone(scene);
    });
  });

describe('openssl s_client', () => {
  for (const [title, context] of CONTEXTS) {
    test(`STARTTLS, and a renegotiation is refused, ${title}`, async (t) => {
      const scene = await run(t, { context });
      const { said } = await client(t, ['-starttls', 'smtp', '-tls1_2', '-connect', `127.0.0.1:${scene.port}`], 'R\n');
      assert.match(said, /RENEGOTIATING/);
      assert.match(said, /no renegotiation|handshake failure|error|closed/i);
      await gone(scene);
    });

    test(`a name is answered with its certificate, ${title}`, async (t) => {
      const scene = await run(t, { context });
      const to = ['-starttls', 'smtp', '-servername', 'other.test', '-connect', `127.0.0.1:${scene.port}`];
      const { said } = await client(t, to, 'QUIT\n');
      const [pem = ''] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(said) ?? [];
      const shown = new X509Certificate(pem).subjectAltName;
      assert.equal(shown, title === 'one certificate' ? 'DNS:mx.test' : 'DNS:other.test');
    });
  }
});

/** Lines are written once the handshake is there; resolves with all that it said. */
async function client(t: TestContext, args: readonly string[], lines: string): Promise<{ readonly said: string }> {
  const child = spawn('openssl', ['s_client', ...args], { env: { PATH: process.env['PATH'] } });
  t.after(() => child.kill());
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (said += chunk.toString('latin1')));
  child.stdin.on('error', () => undefined);
  const exited = once(child, 'close');
  await until('the handshake of openssl', () => /Verify return code/.test(said));
  child.stdin.write(lines);
  await until(
    'openssl to go on',
    () => child.exitCode !== null || /RENEGOTIATING[^]*(?:error|:)/i.test(said) || lines !== 'R\n',
  );
  child.stdin.end();
  await exited;
  return { said };
}
