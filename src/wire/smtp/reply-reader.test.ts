import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Read, ReplyReader } from './reply-reader.ts';

function readAll(text: string, step = Infinity): Read[] {
  const reader = new ReplyReader();
  const reads: Read[] = [];
  const octets = Buffer.from(text);
  for (let at = 0; at < octets.length; at += step) {
    reader.push(octets.subarray(at, at + step));
    for (let read = reader.next(); read !== undefined; read = reader.next()) {
      reads.push(read);
      if (read.kind === 'bad') return reads;
    }
  }
  return reads;
}

describe('a reply', () => {
  const cases: readonly [name: string, text: string, code: number, status: string | undefined, lines: string[]][] = [
    ['of one line', '250 ok\r\n', 250, undefined, ['ok']],
    ['of a code alone', '250\r\n', 250, undefined, ['']],
    ['with a status', '550 5.1.1 No such user\r\n', 550, '5.1.1', ['No such user']],
    ['with a status and no text', '250 2.0.0\r\n', 250, '2.0.0', ['']],
    ['of many lines, status on each', '550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n', 550, '5.7.1', ['a', 'b', 'c']],
    ['with a status on the first line only', '550-5.7.1 a\r\n550 b\r\n', 550, '5.7.1', ['a', 'b']],
    ['with a status of another class', '550 4.7.1 a\r\n', 550, undefined, ['4.7.1 a']],
    ['with LF alone', '250-a\n250 b\n', 250, undefined, ['a', 'b']],
    ['in UTF-8', '550 5.1.1 nö\r\n', 550, '5.1.1', ['nö']],
    ['with a dotted number that is no status', '250 5.1.1.1 x\r\n', 250, undefined, ['5.1.1.1 x']],
  ];
  for (const [name, text, code, status, lines] of cases)
    for (const step of [1, Infinity])
      test(`${name}, ${step} octets at a time`, () => {
        assert.deepEqual(readAll(text, step), [{ kind: 'reply', reply: { code, status, lines } }]);
      });
});

describe('what is no reply', () => {
  const cases: readonly [name: string, text: string][] = [
    ['text', 'hello\r\n'],
    ['nothing', '\r\n'],
    ['a code of 1xx', '100 x\r\n'],
    ['a code of 6xx', '600 x\r\n'],
    ['a longer number', '2500 x\r\n'],
    ['another separator', '250_x\r\n'],
    ['codes that differ', '250-a\r\n251 b\r\n'],
    ['a line without end', `250 ${'x'.repeat(2048)}`],
    ['a reply without end', '250-x\r\n'.repeat(101)],
  ];
  for (const [name, text] of cases)
    for (const step of [1, Infinity])
      test(`${name}, ${step} octets at a time`, () => {
        assert.equal(readAll(text, step).at(-1)?.kind, 'bad');
      });
});

test('hundred lines are a reply', () => {
  const [read] = readAll(`${'250-x\r\n'.repeat(99)}250 y\r\n`);
  assert.equal(read?.kind === 'reply' && read.reply.lines.length, 100);
});

test('bad is for ever', () => {
  const reader = new ReplyReader();
  reader.push(Buffer.from('bad\r\n250 ok\r\n'));
  assert.equal(reader.next()?.kind, 'bad');
  reader.push(Buffer.from('250 ok\r\n'));
  assert.equal(reader.next()?.kind, 'bad');
});

test('octets that are no whole reply are pending', () => {
  const reader = new ReplyReader();
  for (const [text, pending] of [
    ['250 ok\r\n', false],
    ['2', true],
    ['50-x\r\n', true],
    ['250 y\r\n', false],
  ] as const) {
    reader.push(Buffer.from(text));
    reader.next();
    assert.equal(reader.pending, pending, text);
  }
});

test('any split of any octets reads the same', () => {
  const piece = fc.constantFrom(
    '250 ok\r\n',
    '250-a\r\n',
    '354 go\n',
    '5',
    'x',
    '\r',
    '\n',
    ' ',
    '\0',
    '550 5.1.1 no\r\n',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (pieces, step) => {
      assert.deepEqual(readAll(pieces.join(''), step), readAll(pieces.join('')));
    }),
  );
});
