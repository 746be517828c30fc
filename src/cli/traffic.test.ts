import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { runLoad } from './load.ts';
import { compose } from './send.ts';
import { Sink, type SinkBehaviour } from './sink.ts';
import { SmtpConversation } from './smtp-conversation.ts';

const CALM: SinkBehaviour = { defer: 0, refuse: 0, busy: 0, delay: 0, protocol: 'SMTP' };
const MESSAGE = {
  from: 'ann@a.test',
  to: ['bob@b.test', 'carl@b.test'],
  content: Buffer.from('Subject: x\r\n\r\n.dot\r\n'),
};

async function withSink<T>(
  behaviour: Partial<SinkBehaviour>,
  use: (port: number, sink: Sink) => Promise<T>,
): Promise<T> {
  const sink = new Sink({ ...CALM, ...behaviour }, () => 0.3);
  const port = await sink.listen('127.0.0.1', 0);
  try {
    return await use(port, sink);
  } finally {
    await sink.close();
  }
}

async function submit(port: number, message = MESSAGE) {
  const conversation = await SmtpConversation.open('127.0.0.1', port, 'client.test');
  try {
    return await conversation.submit(message);
  } finally {
    conversation.destroy();
  }
}

describe('a message goes to the sink', () => {
  test('and is taken', async () => {
    await withSink({}, async (port, sink) => {
      const { reply, refused } = await submit(port);
      assert.equal(reply?.code, 250);
      assert.deepEqual(refused, []);
      assert.deepEqual(
        { ...sink.figures },
        { connections: 1, messages: 1, recipients: 2, octets: MESSAGE.content.length, refused: 0 },
      );
    });
  });
  test('several over one connection', async () => {
    await withSink({}, async (port, sink) => {
      const conversation = await SmtpConversation.open('127.0.0.1', port, 'client.test');
      for (let i = 0; i < 3; i++) assert.equal((await conversation.submit(MESSAGE)).reply?.code, 250);
      conversation.close();
      assert.deepEqual([sink.figures.connections, sink.figures.messages], [1, 3]);
    });
  });
  test('every recipient is refused, and the connection can be used again', async () => {
    await withSink({ refuse: 100 }, async (port) => {
      const conversation = await SmtpConversation.open('127.0.0.1', port, 'client.test');
      for (let i = 0; i < 2; i++) {
        const { reply, refused } = await conversation.submit(MESSAGE);
        assert.equal(reply, undefined);
        assert.deepEqual(
          refused.map((one) => one.recipient),
          MESSAGE.to,
        );
        assert.match(refused[0]!.reply, /^550 5\.1\.1/);
      }
      conversation.destroy();
    });
  });
  test('later, please', async () => {
    await withSink({ defer: 100 }, async (port) =>
      assert.match((await submit(port)).refused[0]!.reply, /^450 4\.2\.1/),
    );
  });
  test('too busy', async () => {
    await withSink({ busy: 100 }, async (port) => assert.rejects(submit(port), /refuses: 421 4\.3\.2 Too busy/));
  });
  test('with a share as chance has it', async () => {
    await withSink({ refuse: 30 }, async (port) => assert.equal((await submit(port)).refused.length, 0));
    await withSink({ refuse: 31 }, async (port) => assert.equal((await submit(port)).refused.length, 2));
  });
});

describe('a server that is none', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  after(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });
  async function says(...texts: readonly string[]): Promise<number> {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      const left = [...texts];
      socket.write(left.shift() ?? '');
      socket.on('data', () => {
        const next = left.shift() ?? '';
        if (left.length === 0) socket.end(next);
        else socket.write(next);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
  const cases: readonly (readonly [name: string, texts: readonly string[], want: RegExp])[] = [
    ['speaks something else', ['HTTP/1.1 400 Bad Request\r\n'], /does not speak SMTP/],
    ['refuses', ['554 5.3.2 no\r\n'], /refuses: 554 5\.3\.2 no/],
    ['hangs up', ['220 a\r\n'], /closed the connection/],
    ['hangs up in the middle', ['220 a\r\n', '250 a\r\n', '250 ok\r\n250'], /closed the connection/],
  ];
  for (const [name, texts, want] of cases)
    test(name, async () => {
      const port = await says(...texts);
      await assert.rejects(submit(port), want);
    });
  test('is not there', async () => {
    const port = await says('');
    servers.pop()!.close();
    await assert.rejects(submit(port), /takes no connections: is the server running\?/);
  });
  test('a sender that is refused is the last word', async () => {
    const port = await says('220 a\r\n', '250 a\r\n', '550 5.7.1 no\r\n503 x\r\n503 x\r\n503 x\r\n', '250 reset\r\n');
    const { reply } = await submit(port);
    assert.equal(reply?.code, 550);
  });
});

test('a line end in an address is no second command', async () => {
  await withSink({}, (port) =>
    assert.rejects(submit(port, { ...MESSAGE, to: ['a@b.test>\r\nRSET'] }), /a line end in an address/),
  );
});

describe('load', () => {
  const plan = (port: number) => ({
    host: '127.0.0.1',
    port,
    messages: 25,
    connections: 3,
    perConnection: 4,
    message: () => MESSAGE,
  });
  test('sends what it was told, over as many connections as it takes', async () => {
    await withSink({}, async (port, sink) => {
      const figures = await runLoad(plan(port), () => performance.now());
      assert.deepEqual([figures.sent, figures.refused, figures.failed, figures.firstProblem], [25, 0, 0, undefined]);
      assert.equal(sink.figures.messages, 25);
      assert.ok(sink.figures.connections >= 7, String(sink.figures.connections));
    });
  });
  test('counts what was refused', async () => {
    await withSink({ refuse: 100 }, async (port) => {
      const figures = await runLoad(plan(port), () => 0);
      assert.deepEqual([figures.sent, figures.refused], [0, 25]);
      assert.match(figures.firstProblem ?? '', /^550/);
    });
  });
  test('ends when nobody answers', async () => {
    const port = await withSink({}, (port) => Promise.resolve(port));
    const figures = await runLoad(plan(port), () => 0);
    assert.deepEqual([figures.sent, figures.failed], [0, 25]);
  });
});

describe('compose', () => {
  const base = { from: 'ann@a.test', to: ['bob@b.test'], subject: 'Hi', body: 'Hello\nthere', now: 0, chance: 'c' };
  test('makes a message with CRLF alone', () => {
    const text = compose(base);
    assert.match(
      text,
      /^From: <ann@a\.test>\r\nTo: <bob@b\.test>\r\nSubject: Hi\r\nDate: Thu, 1 Jan 1970 00:00:00 \+0000\r\n/,
    );
    assert.ok(text.endsWith('\r\n\r\nHello\r\nthere\r\n'));
    assert.doesNotMatch(text.replaceAll('\r\n', ''), /[\r\n]/);
  });
  test('a subject stays one field', () => {
    assert.match(compose({ ...base, subject: 'a\r\nBcc: x@y.test' }), /^Subject: a Bcc: x@y\.test\r$/m);
  });
  test('the null reverse-path still has an author', () => {
    assert.match(compose({ ...base, from: '' }), /^From: <postmaster@/);
  });
});
