import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { createTransport } from 'nodemailer';
import { ScriptReceiver } from '../../test/lib/dialogue.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { testSecureContext } from '../../test/lib/test-certificate.ts';
import { Networks } from '../lib/ip.ts';
import { serverOptions } from '../wire/smtp/server.ts';
import { connectionCounts, SharedCounts } from './limits.ts';
import { type Client, Listener, type ListenerOptions, type RejectedConnection } from './listener.ts';
import { Deadlines } from './timeouts.ts';

interface Running {
  readonly listener: Listener;
  readonly port: number;
  readonly clients: Client[];
  readonly receivers: ScriptReceiver[];
  readonly rejected: RejectedConnection[];
  readonly clock: HandClock;
  readonly options: ListenerOptions;
}

const REAL_TIMERS = {
  after: (delay: number, wake: () => void) => {
    const handle = setTimeout(wake, delay);
    return { cancel: () => clearTimeout(handle) };
  },
};

async function run(t: TestContext, more: Partial<ListenerOptions> = {}): Promise<Running> {
  const clock = new HandClock();
  const clients: Client[] = [];
  const receivers: ScriptReceiver[] = [];
  const rejected: RejectedConnection[] = [];
  const none = Networks.parse([]);
  assert.ok(none.ok);
  const options: ListenerOptions = {
    name: 'smtp',
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    implicitTls: false,
    proxyNetworks: none.value,
    makeReceiver: (client) => {
      clients.push(client);
      receivers.push(new ScriptReceiver());
      return receivers.at(-1)!;
    },
    machine: serverOptions({ hostname: 'mx.test' }),
    maxConnections: 100,
    maxConnectionsPerAddress: 100,
    counts: new SharedCounts(connectionCounts(1), 0),
    deadlines: new Deadlines(clock, clock),
    timers: REAL_TIMERS,
    clock,
    log: { error: () => undefined, warn: () => undefined, info: () => undefined },
    onRejected: (each) => rejected.push(each),
    ...more,
  };
  const listener = new Listener(options);
  const { port } = await listener.open();
  t.after(() => listener.drain(0));
  return { listener, port, clients, receivers, rejected, clock, options };
}

function dial(t: TestContext, port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

/** All that is said until it matches, or the server closes. */
async function heard(socket: Socket, until: RegExp): Promise<string> {
  let said = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      if (until.test(said)) resolve(said);
    });
    socket.on('close', () => resolve(said));
  });
}

describe('Listener', () => {
  test('nodemailer sends a message through it, under STARTTLS', async (t) => {
    const { port, receivers } = await run(t, { secureContext: testSecureContext });
    const transport = createTransport({
      host: '127.0.0.1',
      port,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
    });
    const sent = await transport.sendMail({
      from: 'ann@client.test',
      to: 'bob@mx.test',
      subject: 'hello',
      text: '.dot\n..dots\nend',
    });
    transport.close();
    assert.match(sent.response, /^250 2\.0\.0/);
    assert.match(receivers[0]?.messages[0] ?? '', /\r\n\r\n\.dot\r\n\.\.dots\r\nend\r\n$/);
  });

  test('nodemailer sends a message through it, under implicit TLS', async (t) => {
    const { port, receivers } = await run(t, { secureContext: testSecureContext, implicitTls: true });
    const transport = createTransport({ host: '127.0.0.1', port, secure: true, tls: { rejectUnauthorized: false } });
    await transport.sendMail({ from: 'ann@client.test', to: 'bob@mx.test', text: 'x' });
    transport.close();
    assert.equal(receivers[0]?.messages.length, 1);
  });

  const limits = [
    { name: 'too many connections', limit: { maxConnections: 2 }, said: /^421 4\.3\.2/, why: 'tooManyConnections' },
    {
      name: 'too many of one',
      limit: { maxConnectionsPerAddress: 2 },
      said: /^421 4\.7\.0/,
      why: 'tooManyFromAddress',
    },
  ];
  for (const { name, limit, said, why } of limits)
    test(`${name}: 421 with a reason, and room again when one has gone`, async (t) => {
      const { listener, port, rejected } = await run(t, limit);
      const [first] = [dial(t, port), dial(t, port)];
      await once(first!, 'data');
      const third = dial(t, port);
      assert.match(await heard(third, /\r\n/), said);
      assert.deepEqual([rejected.length, rejected[0]?.why], [1, why]);
      first!.destroy();
      while (listener.figures().connections > 1 + Number(!third.destroyed)) await wait(1);
      assert.match(await heard(dial(t, port), /\r\n/), /^220/);
    });

  describe('behind a proxy', () => {
    const proxies = Networks.parse(['127.0.0.1']);
    assert.ok(proxies.ok);
    const proxyNetworks = proxies.value;

    test('the client is the one that the header names, and nothing is said before it', async (t) => {
      const { port, clients } = await run(t, { proxyNetworks });
      const socket = dial(t, port);
      let said = '';
      socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await once(socket, 'connect');
      socket.write('PROXY TCP4 192.0.2.9 192.0.2.1 40');
      await wait(20);
      assert.equal(said, '');
      socket.write('000 25\r\n');
      await once(socket, 'data');
      assert.match(said, /^220/);
      assert.deepEqual(clients, [{ address: '192.0.2.9', port: 40_000, listener: 'smtp' }]);
    });

    test('what is no header closes the connection without a word', async (t) => {
      const { port, rejected } = await run(t, { proxyNetworks });
      const socket = dial(t, port);
      socket.write('EHLO client.test\r\n');
      assert.equal(await heard(socket, /x/), '');
      assert.equal(rejected[0]?.why, 'badProxyHeader');
    });

    test('a header that does not come is not waited for', async (t) => {
      const { listener, port, clock, rejected } = await run(t, { proxyNetworks });
      const socket = dial(t, port);
      await once(socket, 'connect');
      while (listener.figures().connections === 0) await wait(1);
      clock.advance(32_000);
      assert.equal(await heard(socket, /x/), '');
      assert.equal(rejected.length, 1);
    });

    test('a proxy that gives up leaves nothing behind', async (t) => {
      const { listener, port } = await run(t, { proxyNetworks });
      const socket = dial(t, port);
      socket.end('PROXY TCP4');
      while (listener.figures().rejected.badProxyHeader === 0) await wait(1);
      while (listener.figures().connections > 0) await wait(1);
    });
  });

  describe('draining', () => {
    test('idle sessions are told, transactions end, newcomers are refused, and then nobody listens', async (t) => {
      const { listener, port, receivers } = await run(t);
      const [idle, active] = [dial(t, port), dial(t, port)] as [Socket, Socket];
      await Promise.all([once(idle, 'data'), once(active, 'data')]);
      active.write('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\n');
      await heard(active, /354/);
      const drained = listener.drain(10_000);
      assert.match(await heard(idle, /\r\n/), /^421 4\.3\.2/);
      assert.match(await heard(dial(t, port), /\r\n/), /^421 4\.3\.2/);
      active.write('x\r\n.\r\n');
      assert.match(await heard(active, /421/), /250 2\.0\.0[^]*421 4\.3\.2/);
      for (const socket of [idle, active]) socket.end();
      await drained;
      assert.equal(receivers.flatMap(({ messages }) => messages).length, 1);
      const late = dial(t, port);
      assert.equal(await heard(late, /x/), '');
    });

    test('a transaction that does not end is cut', async (t) => {
      const { listener, port, receivers } = await run(t);
      const socket = dial(t, port);
      socket.write('EHLO c.test\r\nMAIL FROM:<>\r\n');
      await heard(socket, /250 2\.1\.0/);
      await listener.drain(100);
      assert.deepEqual(receivers[0]?.calls.slice(-2), ['reset', 'close']);
      assert.equal(listener.figures().connections, 0);
    });
  });

  describe('draining again and again', () => {
    test('clients that come without a pause do not keep it open', async (t) => {
      const { listener, port, clock } = await run(t);
      const ended = new AbortController();
      const drained = listener.drain(10_000).then(() => ended.abort());
      const told: string[] = [];
      while (!ended.signal.aborted) {
        told.push(await heard(dial(t, port), /\r\n/));
        // Faster than any pause that it waits for.
        clock.advance(10);
        if (told.length > 100_000) assert.fail('it never ends');
      }
      await drained;
      assert.match(told[0] ?? '', /^421 4\.3\.2/);
    });

    test('a second time is bounded by the shorter of the two', async (t) => {
      const { listener, port } = await run(t);
      const socket = dial(t, port);
      socket.write('EHLO c.test\r\nMAIL FROM:<>\r\n');
      await heard(socket, /250 2\.1\.0/);
      const first = listener.drain(1_000_000);
      await listener.drain(100);
      await first;
      assert.equal(listener.figures().connections, 0);
    });
  });

  describe('reconfigure', () => {
    test('newcomers get the new settings, sessions that are open keep theirs', async (t) => {
      const { listener, port, options } = await run(t);
      const before = dial(t, port);
      await once(before, 'data');
      listener.reconfigure({ ...options, machine: serverOptions({ hostname: 'new.test' }) });
      assert.match(await heard(dial(t, port), /\r\n/), /^220 new\.test/);
      before.write('EHLO c.test\r\n');
      assert.match(await heard(before, /\r\n/), /^250-mx\.test/);
      assert.equal(listener.figures().connections, 2);
    });

    test('limits count what is open already', async (t) => {
      const { listener, port, options } = await run(t);
      await once(dial(t, port), 'data');
      listener.reconfigure({ ...options, maxConnections: 1 });
      assert.match(await heard(dial(t, port), /\r\n/), /^421 4\.3\.2/);
    });

    test('another address is another listener', async (t) => {
      const { listener, options } = await run(t);
      assert.throws(() => listener.reconfigure({ ...options, port: 1 }), /cannot change its address/);
    });
  });

  test('a port that is taken is an error at once', async (t) => {
    const { port } = await run(t);
    await assert.rejects(run(t, { port }), { code: 'EADDRINUSE' });
  });
});
