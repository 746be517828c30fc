import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { splitAt, splitWhole } from '../../../test/lib/split.ts';
import { ContentCutter, type ContentFault } from './content-cutter.ts';

interface Result {
  readonly content: string;
  readonly fault: ContentFault | undefined;
  /** What came after the end; `undefined` when no end was found. */
  readonly rest: string | undefined;
}

function cut(chunks: readonly Buffer[], maxLineOctets = 100, framing: 'dots' | 'chunks' = 'dots'): Result {
  const cutter = new ContentCutter({ framing, maxLineOctets });
  const kept: Buffer[] = [];
  for (const [i, chunk] of chunks.entries()) {
    const piece = Buffer.from(chunk);
    const { content, used, end } = cutter.cut(piece);
    kept.push(Buffer.from(content));
    if (end === 'ahead') continue;
    const rest = Buffer.concat([piece.subarray(used), ...chunks.slice(i + 1)]).toString('latin1');
    return result(cutter, kept, rest);
  }
  return result(cutter, kept, undefined);
}

function result(cutter: ContentCutter, kept: readonly Buffer[], rest: string | undefined): Result {
  const { fault } = cutter;
  return { content: fault === undefined ? Buffer.concat(kept).toString('latin1') : '', fault, rest };
}

const FAULTY = { content: '', fault: 'bareNewline' as const };

describe('ContentCutter', () => {
  const cases: { name: string; octets: string; want: Partial<Result> }[] = [
    { name: 'content ends with CRLF.CRLF', octets: 'a\r\n.\r\nQUIT', want: { content: 'a\r\n', rest: 'QUIT' } },
    { name: 'content may be empty', octets: '.\r\nQUIT', want: { content: '', rest: 'QUIT' } },
    { name: 'a stuffed dot is unstuffed', octets: '..a\r\n..\r\n.\r\n', want: { content: '.a\r\n.\r\n', rest: '' } },
    { name: 'a dot before text is dropped', octets: '.a\r\nb\r\n.\r\n', want: { content: 'a\r\nb\r\n', rest: '' } },
    { name: 'dots inside a line are text', octets: 'a..b.\r\n.\r\n', want: { content: 'a..b.\r\n', rest: '' } },
    { name: 'an empty line is text', octets: '\r\n\r\n.\r\n', want: { content: '\r\n\r\n', rest: '' } },
    { name: 'no end, no end', octets: 'a\r\n.', want: { content: 'a\r\n', rest: undefined } },
    { name: 'eight-bit octets and NUL pass', octets: 'ä\0\r\n.\r\n', want: { content: 'ä\0\r\n', rest: '' } },
    { name: 'NUL before a dot is text', octets: 'a\r\n\0.\r\n.\r\n', want: { content: 'a\r\n\0.\r\n', rest: '' } },
    { name: 'a dot and NUL is text', octets: '.\0\r\n.\r\n', want: { content: '\0\r\n', rest: '' } },
    { name: 'a long line is a fault', octets: `${'a'.repeat(99)}\r\n.\r\nQ`, want: { fault: 'longLine', rest: 'Q' } },
    {
      name: 'the limit counts the CRLF and not the added dot',
      octets: `.${'a'.repeat(98)}\r\n.\r\n`,
      want: { content: `${'a'.repeat(98)}\r\n`, rest: '' },
    },
    {
      name: 'a bare newline outweighs a long line before it',
      octets: `${'a'.repeat(200)}\r\nb\nc\r\n.\r\n`,
      want: { ...FAULTY, rest: '' },
    },
  ];
  // Group 1, CVE-2023-51764 and its kin: each of these was taken for the end by some server.
  const FALSE_ENDS = [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r\n.\r',
    '\n.\r',
    '\r.\r\n',
    '\n.\r\r\n',
    '\r\r\n.\r\r\n',
  ];
  for (const end of FALSE_ENDS)
    cases.push({
      name: `${JSON.stringify(end)} is no end`,
      octets: `a${end}MAIL FROM:<b@c.test>\r\n.\r\nQUIT\r\n`,
      want: { ...FAULTY, rest: 'QUIT\r\n' },
    });

  for (const { name, octets, want } of cases) {
    const whole = Buffer.from(octets, 'latin1');
    const wanted = { content: '', fault: undefined, rest: undefined, ...want };
    test(`${name}, whole`, () => assert.deepEqual(cut([whole]), wanted));
    test(`${name}, octet by octet`, () => assert.deepEqual(cut(splitWhole(whole)), wanted));
    test(`${name}, cut in two at each place`, () => {
      for (let place = 1; place < whole.length; place += 1)
        assert.deepEqual(cut(splitAt(whole, [place])), wanted, `cut at ${place}`);
    });
  }

  const streams = fc.array(fc.constantFrom('\r\n', '\r\n', '.', '..', '\r\n.\r\n', '\r', '\n', 'a', '\0', 'bcdefghi'));

  test('any split gives the same content, fault and end', () => {
    fc.assert(
      fc.property(
        streams,
        fc.array(fc.nat(60)),
        fc.constantFrom<'dots' | 'chunks'>('dots', 'chunks'),
        (pieces, cuts, framing) => {
          const whole = Buffer.from(pieces.join(''));
          assert.deepEqual(cut(splitAt(whole, cuts), 12, framing), cut([whole], 12, framing));
        },
      ),
    );
  });

  test('stuffed as RFC 5321 says, any lines come back', () => {
    const lines = fc.array(fc.constantFrom('', '.', '..', 'a', '.a', 'a.', '...', 'some text'));
    fc.assert(
      fc.property(lines, (lines) => {
        const stuffed = lines.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`).join('');
        const content = lines.map((line) => `${line}\r\n`).join('');
        assert.deepEqual(cut([Buffer.from(`${stuffed}.\r\n`)]), { content, fault: undefined, rest: '' });
      }),
    );
  });

  test('what ends content is what a plain search for it finds', () => {
    fc.assert(
      fc.property(streams, (pieces) => {
        const text = pieces.join('');
        const end = `\r\n${text}`.indexOf('\r\n.\r\n');
        assert.equal(cut([Buffer.from(text)]).rest, end === -1 ? undefined : text.slice(end + 3));
      }),
    );
  });

  test('chunks keep their dots and have no end', () => {
    assert.equal(cut([Buffer.from('..a\r\n.\r\n')], 100, 'chunks').content, '..a\r\n.\r\n');
  });

  test('a CR at the end of the last chunk is a bare one', () => {
    const cutter = new ContentCutter({ framing: 'chunks', maxLineOctets: 100 });
    cutter.cut(Buffer.from('a\r'));
    assert.equal(cutter.fault, undefined);
    cutter.finish();
    assert.equal(cutter.fault, 'bareNewline');
  });

  // Group 16: a chunk of nothing but CRs, LFs or dot lines is scanned once.
  for (const unit of ['\r', '\n', '.\r\n', '..\r\n', 'a\r\n'])
    test(`work grows no faster than a megabyte of ${JSON.stringify(unit)}`, () => {
      const octets = Buffer.from(`x${unit}`.repeat(2 ** 18).slice(0, 2 ** 20));
      let searched = 0;
      const indexOf = octets.indexOf.bind(octets);
      octets.indexOf = ((value: number, from: number) => {
        const found = indexOf(value, from);
        searched += (found === -1 ? octets.length : found) - from + 1;
        return found;
      }) as typeof octets.indexOf;
      new ContentCutter({ framing: 'dots', maxLineOctets: 100 }).cut(octets);
      assert.ok(searched <= 3 * octets.length, `${searched} octets searched`);
    });
});
