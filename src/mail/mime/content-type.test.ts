import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseContentType } from './content-type.ts';

const UNCLEAR = { type: 'multipart/mixed', boundary: undefined, clear: false };

describe('a Content-Type', () => {
  for (const [value, boundary] of [
    ['multipart/mixed; boundary=b', 'b'],
    ['Multipart/Mixed ;charset=x; BOUNDARY = "a b\\"c" ; x=', 'a b"c'],
    ['multipart/mixed; (a (b)) boundary=b (c)', 'b'],
    ['multipart/mixed;;boundary=b;', 'b'],
    ['multipart/mixed; x=   ; boundary="b  "', 'b'],
  ] as const)
    test(value, () =>
      assert.deepEqual(parseContentType(value), { type: 'multipart/mixed', boundary, clear: true }),
    ); // prettier-ignore

  for (const value of [
    'multipart/mixed',
    'multipart/mixed; boundary=""',
    'multipart/mixed; boundary=a; boundary=b',
    'multipart/mixed; boundary*0=a',
    'multipart/mixed; boundary=a b',
    'multipart/mixed; boundary="a" b',
    'multipart/mixed; boundary="a',
    `multipart/mixed; boundary=${'b'.repeat(257)}`,
  ])
    test(`${value.slice(0, 60)} is unclear`, () => assert.deepEqual(parseContentType(value), UNCLEAR));
});

test('white space is looked at once: a header section full of it took many minutes', () => {
  for (const size of [10, 500_000]) {
    const space = ' '.repeat(size);
    assert.deepEqual(parseContentType(`multipart/mixed; x=${space}y z; boundary=b`), UNCLEAR);
    assert.equal(
      parseContentType(`multipart/mixed;${space}x${space}=${space};${space}boundary=${space}b`).boundary,
      'b',
    );
  }
});

test('parameters are parted as by a plain pattern (property)', () => {
  const plain = /\s*;\s*(?:([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*(?=;|$))?/y;
  const boundaryBy = (text: string): string | undefined => {
    const found: string[] = [];
    for (let at = 'multipart/x'.length; at < text.length; at = plain.lastIndex) {
      plain.lastIndex = at;
      const match = plain.exec(text);
      if (match === null) return undefined;
      if (match[1] === 'boundary') found.push((match[2] ?? '').replaceAll('"', '').trimEnd());
    }
    return found.length === 1 && found[0] !== '' ? found[0] : undefined;
  };
  const unit = fc.constantFrom(';', ' ', '=', '"', 'b', 'boundary', 'boundary=b', '\t');
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 20 }), (units) => {
      const text = `multipart/x;${units.join('')}`.trim();
      assert.equal(parseContentType(text).boundary, boundaryBy(text));
    }),
    { numRuns: 5000 },
  );
});
