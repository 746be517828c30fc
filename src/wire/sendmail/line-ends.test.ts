import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LineEnds } from './line-ends.ts';

type LoneDot = 'ends' | 'stays';

function through(text: string, loneDot: LoneDot, at = Infinity): string {
  const lines = new LineEnds(loneDot);
  const octets = Buffer.from(text, 'latin1');
  const out: Buffer[] = [];
  for (let from = 0; from < octets.length; from += at) out.push(lines.push(octets.subarray(from, from + at)));
  out.push(lines.end());
  return Buffer.concat(out).toString('latin1');
}

const CASES: readonly { readonly name: string; readonly text: string; readonly want: string; readonly dot?: string }[] =
  [
    { name: 'nothing is nothing', text: '', want: '' },
    { name: 'LF', text: 'a\nb\n', want: 'a\r\nb\r\n' },
    { name: 'CRLF stays', text: 'a\r\nb\r\n', want: 'a\r\nb\r\n' },
    { name: 'a mixture', text: 'a\nb\r\nc\n', want: 'a\r\nb\r\nc\r\n' },
    { name: 'no final line end', text: 'a\nb', want: 'a\r\nb\r\n' },
    { name: 'empty lines', text: '\n\n\r\n', want: '\r\n\r\n\r\n' },
    { name: 'a CR alone is a space', text: 'a\rb\n', want: 'a b\r\n' },
    { name: 'of two CRs the last belongs to the line end', text: 'a\r\r\n', want: 'a \r\n' },
    { name: 'a CR at the very end ends the line', text: 'a\r', want: 'a\r\n' },
    { name: 'only a CR', text: '\r', want: '\r\n' },
    { name: 'NUL and 8 bits pass', text: '\0\xff\n', want: '\0\xff\r\n' },
    { name: 'a smuggled end', text: 'a\r\n.\rMAIL FROM:<x>\n', want: 'a\r\n. MAIL FROM:<x>\r\n' },
    { name: 'a lone dot', text: 'a\n.\nb\n', want: 'a\r\n.\r\nb\r\n', dot: 'a\r\n' },
    { name: 'a lone dot with CRLF', text: 'a\r\n.\r\nb\r\n', want: 'a\r\n.\r\nb\r\n', dot: 'a\r\n' },
    { name: 'a lone dot first of all', text: '.\nb\n', want: '.\r\nb\r\n', dot: '' },
    { name: 'a lone dot at the very end', text: 'a\n.', want: 'a\r\n.\r\n', dot: 'a\r\n' },
    { name: 'a lone dot and CR at the very end', text: 'a\n.\r', want: 'a\r\n.\r\n', dot: 'a\r\n' },
    { name: 'two dots are text', text: '..\n', want: '..\r\n' },
    { name: 'a dot and a space are text', text: '. \n', want: '. \r\n' },
    { name: 'a dot behind something is text', text: 'a.\nb\n', want: 'a.\r\nb\r\n' },
    { name: 'a dot and more at the end', text: '.a', want: '.a\r\n' },
    { name: 'a dot, a CR and more', text: '.\ra\n', want: '. a\r\n' },
  ];

describe('LineEnds', () => {
  for (const { name, text, want, dot } of CASES)
    for (const at of [Infinity, 1, 2]) {
      test(`${name}, in pieces of ${at}`, () => assert.equal(through(text, 'stays', at), want));
      test(`${name}, a dot ends, in pieces of ${at}`, () => assert.equal(through(text, 'ends', at), dot ?? want));
    }

  const anything = fc.string({ unit: fc.constantFrom(...'ab.\r\n') });
  test('no CR or LF alone comes out, however it is cut', () => {
    fc.assert(
      fc.property(anything, fc.nat({ max: 5 }), fc.constantFrom<LoneDot>('ends', 'stays'), (text, at, dot) => {
        const out = through(text, dot, at + 1);
        assert.equal(out, through(text, dot));
        assert.doesNotMatch(out, /\r(?!\n)|(?<!\r)\n/);
        assert.ok(out === '' || out.endsWith('\r\n'));
      }),
    );
  });
  test('what is in order stays as it is', () => {
    fc.assert(
      fc.property(anything, (text) => assert.equal(through(through(text, 'stays'), 'stays'), through(text, 'stays'))),
    );
  });
});

test('what follows the dot is not looked at', () => {
  const lines = new LineEnds('ends');
  assert.equal(String(lines.push(Buffer.from('a\n.\nb'))), 'a\r\n');
  assert.equal(lines.ended, true);
  assert.equal(lines.push(Buffer.from('c\n')).length, 0);
  assert.equal(lines.end().length, 0);
});
