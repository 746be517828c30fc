/** The two ends of the driver against each other: what one sends the other takes, octet for octet. */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { until } from '../../test/lib/wait.ts';
import { Chance } from '../chance.ts';
import { Intervals, monotonic } from './intervals.ts';
import { digestOf, Letters, makeBodies, recipientOf, senderOf } from './letters.ts';
import { Sink, withoutTrace } from './sink.ts';

const chance = (): Chance => new Chance(7);

async function sinkFor(t: TestContext): Promise<{ readonly sink: Sink; readonly port: number }> {
  const sink = new Sink(chance());
  t.after(() => sink.close());
  return { sink, port: await sink.listen() };
}

/** Writes octets in pieces, one a turn. */
async function write(port: number, octets: Buffer, piece: number): Promise<() => void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.resume();
  for (let at = 0; at < octets.length; at += piece) {
    socket.write(octets.subarray(at, at + piece));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return () => void socket.destroy();
}

describe('the sink', () => {
  for (const piece of [1, 3, 4, 7, 1000])
    test(`finds the end of contents that come by ${piece} octets`, async (t) => {
      const { sink, port } = await sinkFor(t);
      const contents = [
        'Subject: x\r\n\r\nA\r\n',
        '\r\n..\r\n\r\n',
        'Received: by x\r\n\tid 0123456789abcdefghij;\r\nA: b\r\n\r\nx\r\n',
      ];
      const talk = contents.map((content) => `MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n${content}.\r\n`);
      const close = await write(port, Buffer.from(`EHLO x\r\n${talk.join('')}QUIT\r\n`), piece);
      await until('all of them', () => sink.copies.length === contents.length);
      close();
      const [first, second] = contents;
      assert.deepEqual(
        sink.copies.map(({ digest }) => digest),
        [first, second, 'A: b\r\n\r\nx\r\n'].map((content) => digestOf(Buffer.from(content!))),
      );
      assert.equal(sink.copies[2]!.queueId, '0123456789abcdefghij');
    });

  test('says to each recipient what its address asks for', async (t) => {
    const { sink } = await sinkFor(t);
    const codes = ['m1-0.ok@a.test', 'm1-1.never@a.test', 'm1-2.later@a.test', 'm1-2.later@a.test', 's1@home.test'];
    assert.deepEqual(
      codes.map((recipient) => sink.replyTo(recipient).slice(0, 3)),
      ['250', '550', '451', '250', '250'],
    );
  });

  test('remembers with whom a transaction was broken off, and when', async (t) => {
    const { sink, port } = await sinkFor(t);
    const before = monotonic();
    const close = await write(
      port,
      Buffer.from('EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nA'),
      999,
    );
    await until('the transaction', () => sink.transactions.open === 1);
    close();
    await until('its end', () => sink.brokenOff.length === 1);
    assert.deepEqual(sink.brokenOff[0]!.recipients, ['c@d.test']);
    assert.ok(sink.brokenOff[0]!.from >= before && sink.brokenOff[0]!.to <= monotonic());
    assert.equal(sink.transactions.open, 0);
  });
});

describe('letters', () => {
  const bodies = makeBodies(chance());
  const letters = new Letters(chance(), bodies);
  const all = Array.from({ length: 300 }, () => letters.next());

  test('have lines as SMTP allows them, and dots at their beginnings', () => {
    for (const { wire } of all) {
      const lines = wire.toString('latin1').split('\r\n');
      assert.equal(lines.at(-1), '');
      assert.ok(lines.every((line) => line.length <= 998 && !/[\r\n\0]/.test(line) && !/^\.(?!\.)/.test(line)));
    }
    assert.ok(all.some(({ wire }) => wire.includes('\r\n..')));
  });

  test('are of all sizes, to recipients of all kinds, from senders of their own', () => {
    const sizes = all.map(({ wire }) => wire.length);
    assert.ok(Math.min(...sizes) < 2000 && Math.max(...sizes) > 5_000_000);
    const fortunes = all.flatMap(({ to }) => to.map((one) => recipientOf(one)?.fortune));
    assert.deepEqual([...new Set(fortunes)].toSorted(), ['later', 'never', 'ok']);
    for (const { number, from, to } of all) {
      assert.equal(from, senderOf(number));
      assert.ok(to.every((one) => recipientOf(one)?.number === number));
    }
  });

  test('are the same for the same seed', () =>
    assert.equal(new Letters(chance(), bodies).next().digest, all[0]!.digest));
});

test('the trace field is taken away, folded or not, and nothing else', () => {
  for (const [content, rest] of [
    ['Received: a\r\n\tb\r\n c\r\nReceived: d\r\n\r\n', 'Received: d\r\n\r\n'],
    ['Received: a\r\n\r\n', '\r\n'],
    ['Subject: a\r\n\r\n', 'Subject: a\r\n\r\n'],
  ] as const)
    assert.equal(withoutTrace(Buffer.from(content)).rest.toString(), rest);
});

test('what was open at an instant is told when it is over', () => {
  const intervals = new Intervals();
  const first = intervals.begin();
  const before = monotonic();
  const second = intervals.begin();
  const between = monotonic();
  intervals.end(first);
  intervals.end(first);
  const after = monotonic();
  assert.deepEqual(
    [before, between, after].map((at) => intervals.openAt(at)),
    [1, 2, 1],
  );
  assert.equal(intervals.open, 1);
  intervals.end(second);
  assert.equal(intervals.open, 0);
});
