import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ContentCutter } from './content-cutter.ts';
import { LineScan } from './line-scan.ts';

const LONG = 'an ordinary line of text, as most of them are\r\n';
const words = fc.constantFrom(
  '\r\n',
  '\r\n',
  '\r',
  '\n',
  '.',
  'a',
  '\t',
  '\0',
  '\r\n.',
  'bcdefghi',
  '\x0d\x0e',
  'ä',
  LONG,
  LONG,
);
const text = fc.array(words, { maxLength: 60 }).map((parts) => Buffer.from(parts.join(''), 'latin1'));

/** Memory of its own, beginning at any octet of a word. */
function shifted(octets: Buffer, by: number): Buffer {
  const whole = Buffer.alloc(by + octets.length + 3, '\n');
  octets.copy(whole, by);
  return whole.subarray(by, by + octets.length);
}

/** Line by line, as the comment of the class has it. */
function reference(octets: Buffer, from: number, max: number, before: number): number {
  let end = from;
  let had = before;
  for (;;) {
    const lf = octets.indexOf('\n', end);
    if (lf <= end || octets.indexOf('\r', end) !== lf - 1) return end;
    if (lf + 1 - end + had > max) return end;
    had = 0;
    end = lf + 1;
    if (octets[end] === 0x2e) return end;
  }
}

describe('LineScan', () => {
  test('passes over the lines that need nothing, and no octet more', () => {
    fc.assert(
      fc.property(text, fc.nat(3), fc.nat(40), fc.nat(30), (octets, by, start, before) => {
        const from = Math.min(start, octets.length);
        for (const max of [50, Infinity]) {
          const scan = new LineScan(shifted(octets, by), max);
          assert.equal(scan.cleanLines(from, before), reference(octets, from, max, before));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('every octet but CR and LF is text, wherever it stands', () => {
    for (let octet = 0; octet < 256; octet += 1) {
      if (octet === 0x0a || octet === 0x0d) continue;
      for (let at = 0; at < 8; at += 1) {
        const line = Buffer.from('12345678\r\n');
        line[at] = octet;
        assert.equal(new LineScan(line).cleanLines(0), 10, `octet ${octet} at ${at}`);
      }
    }
  });

  test('text that needs a look all the time is soon given back', () => {
    const scan = new LineScan(Buffer.from('a\r\n.'.repeat(100)));
    const looks = Array.from({ length: 20 }, (_, i) => scan.cleanLines(i * 4) - i * 4);
    assert.deepEqual(looks, [...Array<number>(16).fill(3), 0, 0, 0, 0]);
  });
});

describe('large chunks and small ones', () => {
  const run = (octets: Buffer, size: number, framing: 'dots' | 'chunks') => {
    const cutter = new ContentCutter({ framing, maxLineOctets: 120 });
    const kept: Buffer[] = [];
    let used = 0;
    for (let at = 0; at < octets.length; at += size) {
      const cut = cutter.cut(Buffer.from(octets.subarray(at, at + size)));
      kept.push(Buffer.from(cut.content));
      used += cut.used;
      if (cut.end === 'reached') break;
    }
    cutter.finish();
    const { fault } = cutter;
    return { content: fault === undefined ? Buffer.concat(kept).toString('latin1') : '', fault, used };
  };
  const line = fc.constantFrom(LONG, LONG, LONG, LONG.repeat(12), '.dot\r\n', '..\r\n', '\r\n', 'x'.repeat(110));
  const rare = fc.constantFrom('', '', '', '\r\n.\r\n', 'bare\n', 'bare\r', '\r\n.\n', '.\r');

  for (const framing of ['dots', 'chunks'] as const)
    test(`the same is cut out of them, framed by ${framing}`, () => {
      fc.assert(
        fc.property(fc.array(line, { maxLength: 40 }), rare, fc.array(line), fc.nat(4000), (a, odd, b, size) => {
          const octets = Buffer.from([...a, odd, ...b].join(''), 'latin1');
          const small = run(octets, 300, framing);
          assert.deepEqual(run(octets, 600 + size, framing), small);
          assert.deepEqual(run(octets, octets.length + 1, framing), small);
        }),
        { numRuns: 500 },
      );
    });
});
