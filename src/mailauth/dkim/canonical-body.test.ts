import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BodyHash } from './body-hash.ts';
import { BodyCanonicalizer, type Canonicalization } from './canonical-body.ts';

function canonical(form: Canonicalization, chunks: readonly Buffer[]): string {
  const given: Buffer[] = [];
  const body = new BodyCanonicalizer(form, (octets) => given.push(Buffer.from(octets)));
  for (const chunk of chunks) body.push(chunk);
  body.finish();
  return Buffer.concat(given).toString('latin1');
}

/** As RFC 6376 §3.4.3 and §3.4.4 say it, over all of the text at once. */
function plainly(form: Canonicalization, text: string): string {
  const lines = text.split('\r\n');
  const shown = form === 'simple' ? lines : lines.map((line) => line.replaceAll(/[ \t]+/g, ' ').replace(/ $/, ''));
  while (shown.at(-1) === '') shown.pop();
  if (shown.length === 0) return form === 'simple' ? '\r\n' : '';
  return `${shown.join('\r\n')}\r\n`;
}

const CASES: readonly (readonly [name: string, body: string, simple: string, relaxed: string])[] = [
  ['RFC 6376 §3.4.5', ' C \r\nD \t E\r\n\r\n\r\n', ' C \r\nD \t E\r\n', ' C\r\nD E\r\n'],
  ['nothing', '', '\r\n', ''],
  ['one empty line', '\r\n', '\r\n', ''],
  ['empty lines only', '\r\n\r\n\r\n', '\r\n', ''],
  ['white space only', ' \t\r\n', ' \t\r\n', ''],
  ['white space without a line end', ' ', ' \r\n', ''],
  ['text without a line end', 'a', 'a\r\n', 'a\r\n'],
  ['trailing empty lines', 'a\r\n\r\n\r\n', 'a\r\n', 'a\r\n'],
  ['trailing lines of spaces', 'a\r\n \r\n\t\r\n', 'a\r\n \r\n\t\r\n', 'a\r\n'],
  ['leading empty lines', '\r\n\r\na\r\n', '\r\n\r\na\r\n', '\r\n\r\na\r\n'],
  ['empty lines between', 'a\r\n\r\n\r\nb\r\n', 'a\r\n\r\n\r\nb\r\n', 'a\r\n\r\n\r\nb\r\n'],
  ['a tab becomes a space', 'a\tb\r\n', 'a\tb\r\n', 'a b\r\n'],
  ['a run becomes a space', 'a \t  b\r\n', 'a \t  b\r\n', 'a b\r\n'],
  ['white space at the beginning of a line stays one', ' \t a\r\n', ' \t a\r\n', ' a\r\n'],
  ['other controls are text', 'a\u000b\u000c b\u00a0 \r\n', 'a\u000b\u000c b\u00a0 \r\n', 'a\u000b\u000c b\u00a0\r\n'],
  ['a dot at the beginning of a line', '.\r\n..a\r\n', '.\r\n..a\r\n', '.\r\n..a\r\n'],
  ['CR alone is text', 'a \rb\r\r\n', 'a \rb\r\r\n', 'a \rb\r\r\n'],
  ['LF alone is text', 'a \nb\n\r\n', 'a \nb\n\r\n', 'a \nb\n\r\n'],
  ['CR at the very end is text', 'a\r\n\r', 'a\r\n\r\r\n', 'a\r\n\r\r\n'],
  ['LF at the very beginning is text', '\n', '\n\r\n', '\n\r\n'],
];

describe('a canonical body', () => {
  for (const [name, body, simple, relaxed] of CASES)
    for (const [form, wanted] of [
      ['simple', simple],
      ['relaxed', relaxed],
    ] as const)
      test(`${form}: ${name}`, () => {
        const octets = Buffer.from(body, 'latin1');
        assert.equal(canonical(form, [octets]), wanted);
        assert.equal(
          canonical(
            form,
            Array.from(octets, (octet) => Buffer.of(octet)),
          ),
          wanted,
        );
        assert.equal(plainly(form, body), wanted);
      });

  for (const form of ['simple', 'relaxed'] as const) {
    const piece = fc.constantFrom(
      'a',
      'text',
      ' ',
      '  ',
      '\t',
      '\r\n',
      '\r\n\r\n',
      '\r',
      '\n',
      '\u00e9',
      '.',
      'x'.repeat(5000),
    );
    test(`${form} is the same wherever it is cut (property)`, () => {
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 60 }), fc.array(fc.nat(300), { maxLength: 30 }), (pieces, sizes) => {
          const text = pieces.join('');
          assert.equal(canonical(form, cut(Buffer.from(text, 'latin1'), sizes)), plainly(form, text));
        }),
        { numRuns: 1000 },
      );
    });

    test(`${form} of any octets, at any place in memory (property)`, () => {
      const octets = fc.uint8Array({ maxLength: 300 });
      fc.assert(
        fc.property(octets, fc.nat(7), fc.nat(300), (body, shift, at) => {
          const shifted = Buffer.alloc(body.length + shift, ' ');
          shifted.set(body, shift);
          const whole = shifted.subarray(shift);
          const chunks = [whole.subarray(0, at), whole.subarray(at)];
          assert.equal(canonical(form, chunks), plainly(form, Buffer.from(body).toString('latin1')));
        }),
        { numRuns: 1000 },
      );
    });
  }

  test('of much text with much white space is all there, wherever it is cut', () => {
    let seed = 1;
    const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const pieces = [
      ' ',
      '  ',
      '\t',
      '\r\n',
      '\r',
      '\n',
      'a',
      'word',
      'x'.repeat(70),
      ' y'.repeat(200),
      '\r\n'.repeat(300),
    ];
    for (let round = 0; round < 20; round += 1) {
      const weights = Array.from({ length: 12 }, () => next(pieces.length));
      const text = Array.from({ length: 20_000 }, () => pieces[weights[next(weights.length)]!]).join('');
      const octets = Buffer.from(text.slice(0, 400_000), 'latin1');
      const sizes = Array.from({ length: 20 }, () => next(100_000));
      assert.equal(canonical('relaxed', cut(octets, sizes)), plainly('relaxed', octets.toString('latin1')));
    }
  });

  test('of many lines of any length with white space at their ends is all there', () => {
    for (let width = 1; width < 300; width += 7) {
      const text = `${'z'.repeat(width)}\t\r\n`.repeat(Math.ceil(140_000 / width));
      assert.equal(canonical('relaxed', [Buffer.from(text)]), text.replaceAll('\t', ''), `${width}`);
    }
  });

  test('of a megabyte of empty lines with text behind is all there', () => {
    const lines = Buffer.alloc(2 ** 20, '\r\n');
    for (const form of ['simple', 'relaxed'] as const) {
      assert.equal(canonical(form, [lines, Buffer.from('a')]).length, 2 ** 20 + 3);
      assert.equal(canonical(form, [lines]), form === 'simple' ? '\r\n' : '');
    }
  });

  test('leaves the chunk as it was', () => {
    const chunk = Buffer.from('a  b \t\r\n');
    canonical('relaxed', [chunk]);
    assert.equal(chunk.toString(), 'a  b \t\r\n');
  });
});

describe('a body hash', () => {
  test('of an empty body is that of RFC 6376 §3.4.3 and §3.4.4', () => {
    assert.equal(new BodyHash('simple').finish(), 'frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=');
    assert.equal(new BodyHash('relaxed').finish(), '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  test('is of what the canonicalization gives, of two at once too', () => {
    const [one, other] = [new BodyHash('relaxed'), new BodyHash('relaxed')];
    for (const chunk of ['a  b\r', '\n c']) {
      one.push(Buffer.from(chunk));
      other.push(Buffer.from(chunk.toUpperCase()));
    }
    assert.equal(one.finish(), createHash('sha256').update('a b\r\n c\r\n').digest('base64'));
    assert.equal(other.finish(), createHash('sha256').update('A B\r\n C\r\n').digest('base64'));
  });
});

/** Chunks of these sizes in turn, the rest in one; empty ones too. */
function cut(octets: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(octets.subarray(at, at + size));
    at += size;
  }
  return [...chunks, octets.subarray(at)];
}
