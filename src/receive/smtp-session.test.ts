import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { allDialogues, type Dialogue, matchReply, parseDialogue, ScriptReceiver } from '../../test/lib/dialogue.ts';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { testSecureContext } from '../../test/lib/test-certificate.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { serverOptions, type ServerOptions } from '../wire/smtp/server.ts';
import { serverContext, type ServerContext } from './certificate-choice.ts';
import { serveSession, type Session, type SessionOptions } from './smtp-session.ts';
import { Deadlines } from './timeouts.ts';
import { type Receiver } from './transaction.ts';

const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined };

interface Ends {
  readonly client: Socket;
  readonly session: Session;
  readonly clock: HandClock;
}

let server: Server;
const uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => void uncaught.push(error);

before(async () => {
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
  server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => {
  server.close();
  process.off('uncaughtException', onUncaught);
  process.off('unhandledRejection', onUncaught);
  assert.deepEqual(uncaught, []);
});

function portOf(): number {
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

/** A client's socket, and the session at its other end. */
async function open(receiver: Receiver, more: Partial<SessionOptions> = {}): Promise<Ends> {
  const clock = new HandClock();
  const client = connect({ port: portOf(), host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const session = serveSession(socket, {
    machine: serverOptions({ hostname: 'mx.test' }),
    receiver,
    peer: { address: '192.0.2.1', port: 1, listener: 'test' },
    deadlines: new Deadlines(clock, clock),
    clock,
    log: SILENT,
    ...more,
  });
  return { client, session, clock };
}

/** What the server said, as far as nobody has asked for it yet. */
class Ear {
  #said = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.follow(socket);
  }

  follow(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString('latin1');
      this.#wake();
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
  }

  async expect(line: string): Promise<void> {
    let taken = matchReply(this.#said, line);
    while (taken === 0 && !this.#ended && !(/\r\n/.test(this.#said) && !line.endsWith('...'))) {
      await this.#more();
      taken = matchReply(this.#said, line);
    }
    assert.notEqual(taken, 0, `wanted ${line}, the server said ${JSON.stringify(this.#said)}`);
    this.#said = this.#said.slice(taken);
  }

  /** All that comes until the server closes. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#more();
    return this.#said;
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** Where the script's client shows a certificate: who vouches for it, and what the server has itself. */
const authority = makeAuthority();
const { cert, key } = authority.issueUser('ann');
const own = authority.issue('mx.test');
const askingContext = serverContext([{ certificate: own.cert, key: own.key, names: ['mx.test'] }], {
  ...{ parameters: tlsParameters('compatible'), clientCa: authority.cert },
});

async function playOverSocket(dialogue: Dialogue): Promise<void> {
  const receiver = new ScriptReceiver(dialogue.rules);
  const noCertificate = dialogue.rules.has('startTls');
  const certified = dialogue.steps.some((step) => step.kind === 'event' && step.name === 'certified');
  const context = (): ServerContext => (certified ? askingContext : testSecureContext());
  const { client, session, clock } = await open(receiver, {
    machine: dialogue.options,
    ...(dialogue.tls === 'absent' ? {} : { secureContext: () => (noCertificate ? undefined : context()) }),
  });
  const ear = new Ear(client);
  let socket: Socket = client;
  for (const step of dialogue.steps) {
    if (step.kind === 'client') socket.write(step.octets);
    else if (step.kind === 'server') for (const line of step.lines) await ear.expect(line);
    else if (step.kind === 'closed') assert.equal(await ear.rest(), '');
    else if (step.name === 'drain') session.drain();
    else if (step.name === 'timeout') {
      // The half message must have come before the time passes.
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(301_000);
    } else if (step.name === 'gone') socket.destroy();
    else {
      client.removeAllListeners('data');
      const shown = step.name === 'certified' && { cert, key };
      socket = connectTls({ socket: client, rejectUnauthorized: false, ...shown });
      ear.follow(socket);
      await once(socket, 'secureConnect');
    }
  }
  socket.destroy();
  client.destroy();
  await session.done;
  if (dialogue.messages !== undefined) assert.deepEqual(receiver.messages, dialogue.messages);
  assert.equal(receiver.calls.at(-1), 'close');
}

describe('dialogues over a socket', () => {
  // What comes before the greeting is a matter of time on a socket: the receiver here answers at once.
  for (const dialogue of allDialogues().filter(({ name }) => !name.startsWith('early-talk')))
    test(dialogue.name, { timeout: 10_000 }, () => playOverSocket(dialogue));
});

const SESSION = parseDialogue('', '').options;
const WHOLE_SESSION = [
  'EHLO client.test\r\n',
  'MAIL FROM:<ann@client.test>\r\nRCPT TO:<bob@mx.test>\r\nBDAT 5\r\nabc\r\nBDAT 3 LAST\r\nd\r\n',
  'MAIL FROM:<ann@client.test>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n',
].join('');

// Groups 5 and 18: every event of the socket at every state.
describe('the client goes away', () => {
  const ways: Record<string, (client: Socket) => unknown> = {
    'with FIN': (client) => client.end(),
    'with RST': (client) => client.resetAndDestroy(),
  };
  for (const [name, leave] of Object.entries(ways))
    test(`${name} after each octet of a session: the receiver is told once, and nothing is left open`, async () => {
      for (let octets = 0; octets <= WHOLE_SESSION.length; octets += 1) {
        const receiver = new ScriptReceiver();
        const { client, session } = await open(receiver);
        client.resume();
        await new Promise((resolve) => client.write(WHOLE_SESSION.slice(0, octets), resolve));
        leave(client);
        await session.done;
        client.destroy();
        assert.equal(receiver.calls.filter((call) => call === 'close').length, 1);
        assert.equal(receiver.calls.at(-1), 'close');
      }
    });

  test('FIN after a whole message does not lose the reply', async () => {
    const receiver = new ScriptReceiver();
    const { client, session } = await open(receiver);
    const ear = new Ear(client);
    client.end(WHOLE_SESSION);
    assert.match(await ear.rest(), /221 2\.0\.0 Bye\r\n$/);
    await session.done;
    assert.equal(receiver.messages.length, 2);
  });

  test('while the receiver decides: the decision comes too late and harms nobody', async () => {
    for (const rule of ['sender', 'recipient', 'content', 'finish'] as const) {
      const script = new ScriptReceiver();
      const gate = Promise.withResolvers<void>();
      const asked = Promise.withResolvers<void>();
      const { client, session } = await open(slow(script, rule, gate.promise, asked.resolve));
      client.resume();
      client.write(WHOLE_SESSION);
      await asked.promise;
      client.resetAndDestroy();
      await new Promise((resolve) => setImmediate(resolve));
      session.destroy();
      gate.resolve();
      await session.done;
      assert.equal(script.calls.at(-1), 'close', rule);
    }
  });
});

/** Answers one question only when the gate opens. */
function slow(script: ScriptReceiver, rule: string, gate: Promise<void>, asked: () => void): Receiver {
  const held = async <T>(name: string, answer: () => T): Promise<Awaited<T>> => {
    if (name === rule) {
      asked();
      await gate;
    }
    return answer() as Awaited<T>;
  };
  return {
    connect: () => script.connect(),
    hello: (peer) => script.hello(peer),
    sender: (peer, sender) => held('sender', () => script.sender(peer, sender)),
    recipient: (recipient) => held('recipient', () => script.recipient(recipient)),
    content: () =>
      held('content', () => {
        const sink = script.content();
        if ('code' in sink) return sink;
        return { ...sink, finish: async () => await held('finish', () => sink.finish()) };
      }),
    reset: () => script.reset(),
    close: () => script.close(),
  };
}

describe('back-pressure', () => {
  test('a client that never reads its replies is not read for ever', async () => {
    const machine: ServerOptions = { ...SESSION, maxJunk: 1e9, maxErrors: 1e9 };
    const { client, session, clock } = await open(new ScriptReceiver(), { machine });
    client.pause();
    const group = Buffer.from('HELP\r\n'.repeat(10_000));
    let sent = 0;
    // Far more than what both systems' buffers hold.
    while (sent < 2000 && client.write(group) === true) sent += 1;
    for (let waits = 0; waits < 50 && sent < 2000; waits += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      while (sent < 2000 && client.writableLength < group.length * 4) {
        client.write(group);
        sent += 1;
      }
    }
    assert.ok(sent < 2000, 'the server stopped reading');
    clock.advance(301_000);
    clock.advance(20_000);
    await session.done;
    client.destroy();
  });

  test('ten thousand commands at once are all answered, a few in each turn of the loop', async () => {
    const machine: ServerOptions = { ...SESSION, maxJunk: 1e9 };
    let [inTurn, most, replies, over] = [0, 0, 0, false];
    const onReply = (): void => {
      most = Math.max(most, (inTurn += 1));
      replies += 1;
    };
    const nextTurn = (): void => {
      inTurn = 0;
      if (!over) setImmediate(nextTurn);
    };
    const { client, session } = await open(new ScriptReceiver(), { machine, onReply });
    const ear = new Ear(client);
    nextTurn();
    // The end of what it says comes before the end of what is to be answered.
    client.end('NOOP\r\n'.repeat(10_000));
    const said = await ear.rest();
    await session.done;
    over = true;
    assert.equal(said.split('\r\n').length - 1, 10_001);
    assert.equal(replies, 10_001);
    assert.ok(most < 200, `${most} replies in one turn`);
    client.destroy();
  });

  test('nothing is read while content is being taken', async () => {
    const script = new ScriptReceiver();
    const gate = Promise.withResolvers<void>();
    let writes = 0;
    const receiver: Receiver = {
      connect: () => undefined,
      hello: (peer) => script.hello(peer),
      sender: (peer, sender) => script.sender(peer, sender),
      recipient: (recipient) => script.recipient(recipient),
      content: () => ({
        write: () => {
          writes += 1;
          return gate.promise;
        },
        finish: async () => ({ code: 250, status: '2.0.0', lines: ['taken'] }) as const,
        abort: () => undefined,
      }),
      reset: () => undefined,
      close: () => undefined,
    };
    const { client, session } = await open(receiver);
    const ear = new Ear(client);
    client.write('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\n');
    for (const line of ['220', '250...', '250', '250', '354']) await ear.expect(line);
    for (let i = 0; i < 20; i += 1) {
      client.write(`${'x'.repeat(62)}\r\n`.repeat(1024));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(writes, 1);
    gate.resolve();
    client.write('.\r\nQUIT\r\n');
    await ear.expect('250 2.0.0 taken');
    assert.match(await ear.rest(), /^221/);
    client.end();
    await session.done;
  });

  // Group 14, CVE-2026-38728.
  test('a flood without LF ends the session, and its memory stays flat', async () => {
    const { client, session } = await open(new ScriptReceiver());
    const ear = new Ear(client);
    for (let sent = 0; sent < 20; sent += 1) client.write(Buffer.alloc(65_536, 0x61));
    assert.match(await ear.rest(), /500 5\.5\.2 Command line too long\r\n$/);
    client.destroy();
    await session.done;
  });

  test('a client that goes on sending after the last reply is cut', async () => {
    const { client, session } = await open(new ScriptReceiver());
    client.resume();
    client.write('QUIT\r\n');
    client.on('end', () => {
      for (let i = 0; i < 40; i += 1) client.write(Buffer.alloc(65_536));
    });
    await session.done;
    client.destroy();
  });
});

test('a client that floods before it is greeted is read once, and refused', async () => {
  const script = new ScriptReceiver();
  const gate = Promise.withResolvers<undefined>();
  const receiver: Receiver = {
    connect: () => gate.promise,
    hello: (peer) => script.hello(peer),
    sender: (peer, sender) => script.sender(peer, sender),
    recipient: (recipient) => script.recipient(recipient),
    content: () => script.content(),
    reset: () => script.reset(),
    close: () => script.close(),
  };
  const { client, session } = await open(receiver);
  const ear = new Ear(client);
  let drained = true;
  for (let sent = 0; sent < 400 && drained; sent += 1) {
    client.write(Buffer.alloc(65_536, 0x61));
    await new Promise((resolve) => setImmediate(resolve));
    drained = client.writableLength === 0;
  }
  assert.equal(drained, false, 'the server stopped reading');
  gate.resolve(undefined);
  assert.match(await ear.rest(), /^554 5\.5\.1 You spoke/);
  client.destroy();
  await session.done;
});

describe('time', () => {
  test('octet by octet does not stretch the time for a command', async () => {
    const { client, session, clock } = await open(new ScriptReceiver());
    const ear = new Ear(client);
    await ear.expect('220');
    for (let octet = 0; octet < 31; octet += 1) {
      client.write('a');
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(10_000);
    }
    assert.match(await ear.rest(), /^421 4\.4\.2 Timeout/);
    client.destroy();
    await session.done;
  });

  test('a slow transaction ends at its deadline, however busy it is', async () => {
    const receiver = new ScriptReceiver();
    const { client, session, clock } = await open(receiver);
    const ear = new Ear(client);
    client.write('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\nDATA\r\n');
    for (const line of ['220', '250...', '250', '250', '354']) await ear.expect(line);
    for (let minute = 0; minute < 61; minute += 1) {
      client.write('x\r\n');
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(60_000);
    }
    assert.match(await ear.rest(), /^421 4\.4\.2 Timeout/);
    client.destroy();
    await session.done;
    assert.deepEqual(receiver.calls.slice(-3), ['abort', 'reset', 'close']);
  });

  test('a session ends at its deadline', async () => {
    const { client, session, clock } = await open(new ScriptReceiver());
    const ear = new Ear(client);
    await ear.expect('220');
    for (let minute = 0; minute < 121; minute += 2) {
      client.write('NOOP\r\n');
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(120_000);
    }
    assert.match(await ear.rest(), /421 4\.4\.2 Timeout\r\n$/);
    client.destroy();
    await session.done;
  });

  test('a client that never closes is cut after the linger', async () => {
    const { client, session, clock } = await open(new ScriptReceiver());
    const ear = new Ear(client);
    client.write('NOOP\r\n');
    await once(client, 'data');
    session.drain();
    await ear.rest();
    let ended = false;
    void session.done.then(() => (ended = true));
    clock.advance(9000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, false, 'a client that did not say QUIT may be sending still');
    clock.advance(2000);
    await session.done;
    client.destroy();
  });

  test('a client that said QUIT is not waited for, and hears the reply', async () => {
    const { client, session } = await open(new ScriptReceiver());
    const ear = new Ear(client);
    client.write('QUIT\r\n');
    await session.done;
    assert.match(await ear.rest(), /221 2\.0\.0 Bye\r\n$/);
    client.destroy();
  });
});

describe('TLS', () => {
  const secureContext = (): ReturnType<typeof testSecureContext> => testSecureContext();

  test('implicit: the greeting comes under TLS, and the peer is told which', async () => {
    const script = new ScriptReceiver();
    let seen: string | undefined;
    const receiver: Receiver = {
      connect: (peer) => {
        seen = peer.tls;
        return undefined;
      },
      hello: (peer) => script.hello(peer),
      sender: (peer, sender) => script.sender(peer, sender),
      recipient: (recipient) => script.recipient(recipient),
      content: () => script.content(),
      reset: () => script.reset(),
      close: () => script.close(),
    };
    const { client, session } = await open(receiver, { secureContext, tls: 'implicit' });
    const secured = connectTls({ socket: client, rejectUnauthorized: false, ALPNProtocols: ['smtp'] });
    const ear = new Ear(secured);
    await ear.expect('220 mx.test');
    assert.match(seen ?? '', /^TLSv1\.3 TLS_/);
    assert.equal(secured.alpnProtocol, 'smtp');
    secured.write('QUIT\r\n');
    assert.match(await ear.rest(), /^221/);
    secured.destroy();
    await session.done;
  });

  // Group 21.
  test('a client that names another protocol gets no session', async () => {
    const { client, session } = await open(new ScriptReceiver(), { secureContext, tls: 'implicit' });
    const secured = connectTls({ socket: client, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    secured.on('error', () => undefined);
    await new Promise((resolve) => secured.on('close', resolve));
    client.destroy();
    await session.done;
  });

  // Group 3: the second segment is clear text where TLS should begin.
  test('commands in clear text after the reply to STARTTLS are never read', async () => {
    const receiver = new ScriptReceiver();
    const { client, session } = await open(receiver, { secureContext });
    const ear = new Ear(client);
    client.write('EHLO c.test\r\nSTARTTLS\r\n');
    for (const line of ['220', '250...', '220 2.0.0']) await ear.expect(line);
    client.write('MAIL FROM:<eve@client.test>\r\n'.repeat(20));
    await ear.rest();
    client.destroy();
    await session.done;
    assert.ok(!receiver.calls.includes('sender'));
  });

  // Group 5, CVE-2026-45185: TLS ends in the middle of a chunk, and clear text follows.
  test('clear text after the end of TLS inside a chunk is never content', async () => {
    const receiver = new ScriptReceiver();
    const { client, session } = await open(receiver, { secureContext });
    const ear = new Ear(client);
    client.write('EHLO c.test\r\nSTARTTLS\r\n');
    for (const line of ['220', '250...', '220 2.0.0']) await ear.expect(line);
    client.removeAllListeners('data');
    const secured = connectTls({ socket: client, rejectUnauthorized: false });
    ear.follow(secured);
    secured.on('error', () => undefined);
    await once(secured, 'secureConnect');
    secured.write('EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<bob@mx.test>\r\nBDAT 100 LAST\r\nhalf');
    for (const line of ['250...', '250', '250']) await ear.expect(line);
    secured.end();
    client.write('x'.repeat(200));
    await session.done;
    client.destroy();
    assert.deepEqual(receiver.messages, []);
    assert.ok(receiver.calls.includes('abort'));
  });
});
