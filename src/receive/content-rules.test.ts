import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContentWatch } from './content-rules.ts';

function watched(octets: Buffer, size: number): ContentWatch {
  const watch = new ContentWatch({ binary: false });
  for (let at = 0; at < octets.length; at += size) watch.push(octets.subarray(at, at + size));
  watch.end();
  return watch;
}

test('a long line is found wherever it stands, however it comes (property)', () => {
  const line = fc.oneof(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 990, max: 1005 }));
  const sizes = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 900, max: 1100 }), fc.constant(65_536));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), sizes, fc.boolean(), (lengths, size, ended) => {
      const text = lengths.map((length) => 'x'.repeat(length)).join('\r\n') + (ended ? '\r\n' : '');
      assert.equal(watched(Buffer.from(text), size).longLine, lengths.some((length) => length > 998)); // prettier-ignore
    }),
    { numRuns: 500 },
  );
});

test('octets that are not for every server are found', () => {
  for (const [text, eightBit] of [
    ['plain\r\n', false],
    ['\x7f\x01\r\n', false],
    ['ü\r\n', true],
    ['\0\r\n', true],
  ] as const)
    // prettier-ignore
    for (const size of [1, 100]) assert.equal(watched(Buffer.from(text), size).eightBit, eightBit);
});
