import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { splitAt } from '../../../test/lib/split.ts';
import { LineCutter } from './line-cutter.ts';

/** What comes out, as text; the stream ends at the first fault. */
function cut(chunks: readonly Buffer[], maxOctets = 20): string[] {
  const cutter = new LineCutter(maxOctets);
  const lines: string[] = [];
  for (const chunk of chunks) {
    cutter.push(Buffer.from(chunk));
    for (let line = cutter.next(); line !== undefined; line = cutter.next()) {
      lines.push(line.kind === 'line' ? line.octets.toString('latin1') : `<${line.kind}>`);
      if (line.kind !== 'line') return lines;
    }
  }
  return lines;
}

describe('LineCutter', () => {
  const cases = [
    { name: 'a line ends with CRLF', octets: 'NOOP\r\nQUIT\r\n', want: ['NOOP', 'QUIT'] },
    { name: 'a line without an end waits', octets: 'NOOP\r\nQUIT', want: ['NOOP'] },
    { name: 'an empty line is a line', octets: '\r\n', want: [''] },
    { name: 'a bare LF is a fault', octets: 'NOOP\nQUIT\r\n', want: ['<bareNewline>'] },
    { name: 'a bare CR is a fault', octets: 'NO\rOP\r\n', want: ['<bareNewline>'] },
    { name: 'CR CR LF is a fault', octets: 'NOOP\r\r\n', want: ['<bareNewline>'] },
    { name: 'a lone LF is a fault', octets: '\n', want: ['<bareNewline>'] },
    { name: 'NUL is an octet like others here', octets: 'NO\0OP\r\n', want: ['NO\0OP'] },
    { name: 'the limit counts the CRLF', octets: `${'a'.repeat(18)}\r\n`, want: ['a'.repeat(18)] },
    { name: 'one octet more is too long', octets: `${'a'.repeat(19)}\r\n`, want: ['<tooLong>'] },
    { name: 'no end in sight is too long', octets: 'a'.repeat(20), want: ['<tooLong>'] },
  ];
  for (const { name, octets, want } of cases) {
    test(`${name}, whole`, () => assert.deepEqual(cut([Buffer.from(octets)]), want));
    test(`${name}, octet by octet`, () => assert.deepEqual(cut([...octets].map((octet) => Buffer.from(octet))), want));
  }

  test('any split gives the same lines', () => {
    const streams = fc.array(fc.constantFrom('\r\n', '\r', '\n', 'a', 'bc', '\0', 'long enough to matter'));
    fc.assert(
      fc.property(streams, fc.array(fc.nat(60)), (pieces, cuts) => {
        const whole = Buffer.from(pieces.join(''));
        assert.deepEqual(cut(splitAt(whole, cuts)), cut([whole]));
      }),
    );
  });

  test('what follows a line can be taken and given back', () => {
    const cutter = new LineCutter(100);
    cutter.push(Buffer.from('DATA\r\ncontent'));
    cutter.push(Buffer.from('NOOP\r\n'));
    cutter.next();
    const taken = cutter.take();
    assert.equal(taken.toString(), 'content');
    cutter.giveBack(taken.subarray(7));
    cutter.giveBack(Buffer.from('X'));
    const line = cutter.next();
    assert.equal(line?.kind === 'line' ? line.octets.toString() : line?.kind, 'XNOOP');
    assert.equal(cutter.pending, false);
  });

  test('the chunk is not kept for the sake of a begun line', () => {
    const cutter = new LineCutter(100);
    const chunk = Buffer.from('NOOP\r\nQU');
    cutter.push(chunk);
    cutter.next();
    assert.equal(cutter.next(), undefined);
    chunk.fill('x');
    cutter.push(Buffer.from('IT\r\n'));
    const line = cutter.next();
    assert.equal(line?.kind === 'line' ? line.octets.toString() : line?.kind, 'QUIT');
  });

  // Group 14: no newline, for ever.
  test('a flood without LF keeps no more than the limit', () => {
    const cutter = new LineCutter(512);
    const kinds = new Set<string | undefined>();
    for (let sent = 0; sent < 2000; sent += 1) {
      cutter.push(Buffer.from('a'));
      kinds.add(cutter.next()?.kind);
    }
    assert.deepEqual([...kinds], [undefined, 'tooLong']);
  });
});
