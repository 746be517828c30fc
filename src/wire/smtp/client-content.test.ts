import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DataEncoder, isCleanText } from './client-content.ts';

function encode(text: string, step = Infinity, form: 'any' | 'lines' = 'any'): string {
  const encoder = new DataEncoder(form);
  const octets = Buffer.from(text, 'latin1');
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += step) pieces.push(encoder.push(octets.subarray(at, at + step)));
  return Buffer.concat([...pieces, encoder.end()]).toString('latin1');
}

/** What the encoder promises, written the slow way. */
function model(text: string): string {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return `${lines.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`).join('')}.\r\n`;
}

describe('content by DATA', () => {
  const cases: readonly [name: string, text: string, want: string][] = [
    ['nothing', '', '.\r\n'],
    ['a line', 'a\r\n', 'a\r\n.\r\n'],
    ['a last line without end', 'a', 'a\r\n.\r\n'],
    ['a dot at the very beginning', '.a\r\n', '..a\r\n.\r\n'],
    ['a lone dot', 'a\r\n.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['dots within a line', 'a.b..c\r\n', 'a.b..c\r\n.\r\n'],
    ['many dots', '...\r\n...\r\n', '....\r\n....\r\n.\r\n'],
    ['LF.CRLF smuggling', 'a\n.\r\nMAIL FROM:<x>\r\n', 'a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n'],
    ['CR.CRLF smuggling', 'a\r.\r\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['CRLF.LF smuggling', 'a\r\n.\nb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['CRLF.CR smuggling', 'a\r\n.\rb\r\n', 'a\r\n..\r\nb\r\n.\r\n'],
    ['CR CR LF', 'a\r\r\nb', 'a\r\n\r\nb\r\n.\r\n'],
    ['a last CR', 'a\r', 'a\r\n.\r\n'],
    ['a last LF', 'a\n', 'a\r\n.\r\n'],
    ['octets above 127', 'a\xff\r\n', 'a\xff\r\n.\r\n'],
  ];
  for (const [name, text, want] of cases)
    for (const step of [1, 2, 3, Infinity])
      test(`${name}, ${step} at a time`, () => assert.equal(encode(text, step), want));

  const piece = fc.constantFrom('\r', '\n', '\r\n', '.', 'a', '\r\n.\r\n', 'line of text', '\0');
  test('any content, split anyhow, is as the model says', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (pieces, step) => {
        assert.equal(encode(pieces.join(''), step), model(pieces.join('')));
      }),
      { numRuns: 500 },
    );
  });

  test('content whose newlines are known to be clean, split anyhow, is as the model says', () => {
    const clean = fc.constantFrom('\r\n', '.', '\r\n.', 'a', '\r\n.\r\n', 'line of text\r\n');
    fc.assert(
      fc.property(fc.array(clean, { maxLength: 30 }), fc.integer({ min: 1, max: 40 }), (pieces, step) => {
        const text = pieces.join('');
        assert.equal(encode(text, step, 'lines'), model(text));
      }),
      { numRuns: 1000 },
    );
  });

  test('text that is clean is what DATA changes only at dots', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const unstuffed = encode(text).slice(0, -3).replaceAll(/^\./gm, '');
        assert.equal(isCleanText(Buffer.from(text)), text !== '' && unstuffed === text);
      }),
      { numRuns: 1000 },
    );
  });
});
