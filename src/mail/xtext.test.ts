import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeUtf8Address, decodeXtext, encodeXtext } from './xtext.ts';

describe('xtext', () => {
  const pairs: readonly (readonly [string, string, string])[] = [
    ['plain', 'ann@example.com', 'ann@example.com'],
    ['plus and equals', 'a+b=c@d', 'a+2Bb+3Dc@d'],
    ['space and tab', 'a b\tc', 'a+20b+09c'],
    ['non-ASCII as UTF-8 octets', 'é', '+C3+A9'],
    ['beyond the BMP', '😀', '+F0+9F+98+80'],
    ['empty', '', ''],
  ];
  for (const [name, text, encoded] of pairs)
    test(name, () => {
      assert.equal(encodeXtext(text), encoded);
      assert.deepEqual(decodeXtext(encoded), { ok: true, value: text });
    });

  const bad: readonly (readonly [string, string])[] = [
    ['an equals sign', 'a=b'],
    ['a bare plus', 'a+'],
    ['one digit', 'a+2'],
    ['lower-case digits', 'a+2b'],
    ['no digits', 'a+GG'],
    ['a space', 'a b'],
    ['encoded CR', 'a+0Db'],
    ['encoded LF', 'a+0Ab'],
    ['encoded NUL', 'a+00b'],
    ['encoded DEL', 'a+7F'],
    ['encoded C1 control', 'a+C2+85'],
    ['octets that are not UTF-8', 'a+FF'],
    ['half a UTF-8 character', 'a+C3'],
    ['raw non-ASCII', 'é'],
    ['a raw line end', 'a\r\n'],
  ];
  for (const [name, text] of bad) test(`${name} is refused`, () => assert.equal(decodeXtext(text).ok, false));

  test('what is encoded decodes to itself, or is refused for a control character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const back = decodeXtext(encodeXtext(text));
        if (back.ok) assert.equal(back.value, text);
        else assert.match(text, /(?!\t)[\p{Cc}\p{Zl}\p{Zp}\ufffd]/u);
      }),
    );
  });
});

describe('UTF-8 addresses (RFC 6533 §3)', () => {
  const good: readonly (readonly [string, string, string])[] = [
    ['ASCII stays', 'ann@example.com', 'ann@example.com'],
    ['embedded characters', 'ann\\x{E9}@example.com', 'anné@example.com'],
    ['lower-case digits', '\\x{e9}', 'é'],
    ['six digits', '\\x{10FFFD}', '\u{10fffd}'],
    ['plus, equals and backslash come embedded', '\\x{2B}\\x{3D}\\x{5C}', '+=\\'],
    ['raw UTF-8 (unitext)', 'grüße@example.com', 'grüße@example.com'],
  ];
  for (const [name, text, want] of good)
    test(name, () => assert.deepEqual(decodeUtf8Address(text), { ok: true, value: want }));

  const bad = ['', 'a+b', 'a=b', 'a\\b', '\\x{}', '\\x{1}', '\\x{1234567}', '\\x{110000}', '\\x{D800}', '\\x{0D}'];
  const controls = ['\\x{0A}', '\\x{00}', '\\x{85}', '\\x{2028}', 'a b', '\\x{41', 'a\r\n'];
  for (const text of [...bad, ...controls])
    test(`${JSON.stringify(text)} is refused`, () => assert.equal(decodeUtf8Address(text).ok, false));

  test('encoding is ASCII and decodes to the same address', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const written = encodedAddress(text);
        assert.match(written, /^[!-~]+$/);
        const back = decodeUtf8Address(written);
        if (back.ok) assert.equal(back.value, text);
        else assert.match(text, /(?!\t)[\p{Cc}\p{Zl}\p{Zp}\ufffd]/u);
      }),
    );
  });
});

/** As RFC 6533 §3 has it (utf-8-addr-xtext). */
function encodedAddress(address: string): string {
  return address.replaceAll(/[^!-*,-<>-[\]-~]/gu, (c) => `\\x{${c.codePointAt(0)!.toString(16).toUpperCase()}}`);
}
