import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Domain } from './domain.ts';
import { dsnAddressOf, dsnAddressOfOrcpt, formatDsnAddress, printableXtext } from './dsn-address.ts';

const example = 'example.com' as Domain;

describe('printableXtext', () => {
  const cases: readonly { name: string; xtext: string; want: string | undefined }[] = [
    { name: 'plain text', xtext: 'QQ314159', want: 'QQ314159' },
    { name: 'a plus and an equals sign', xtext: 'a+2Bb+3Dc', want: 'a+b=c' },
    { name: 'a space', xtext: 'a+20b', want: 'a b' },
    { name: 'nothing', xtext: '', want: '' },
    { name: 'a line break stays encoded', xtext: 'a+0D+0AStatus:+202.0.0', want: undefined },
    { name: 'NUL stays encoded', xtext: 'a+00', want: undefined },
    { name: 'DEL stays encoded', xtext: 'a+7F', want: undefined },
    { name: 'an octet above 127 stays encoded', xtext: 'a+FF', want: undefined },
    { name: 'lower-case digits are not xtext', xtext: 'a+2b', want: undefined },
    { name: 'a bare plus is not xtext', xtext: 'a+', want: undefined },
    { name: 'a raw space is not xtext', xtext: 'a b', want: undefined },
    { name: 'a raw equals sign is not xtext', xtext: 'a=b', want: undefined },
  ];
  for (const { name, xtext, want } of cases) {
    test(name, () => {
      const decoded = printableXtext(xtext);
      assert.equal(decoded.ok ? decoded.value : undefined, want);
    });
  }
});

describe('dsnAddressOfOrcpt', () => {
  const cases: readonly { name: string; orcpt: string; want: string | undefined }[] = [
    { name: 'rfc822', orcpt: 'rfc822;Bob@Example.COM', want: 'rfc822;Bob@Example.COM' },
    { name: 'the type is lower case', orcpt: 'RFC822;b@c', want: 'rfc822;b@c' },
    { name: 'xtext', orcpt: 'rfc822;bob+2Btag@example.com', want: 'rfc822;bob+tag@example.com' },
    { name: 'another type', orcpt: 'x400;/c=de', want: undefined },
    { name: 'another type, encoded', orcpt: 'x400;/c+3Dde', want: 'x400;/c=de' },
    { name: 'utf-8 plain', orcpt: 'utf-8;jürgen@example.com', want: 'utf-8;jürgen@example.com' },
    { name: 'utf-8 escaped', orcpt: 'utf-8;j\\x{FC}rgen@example.com', want: 'utf-8;jürgen@example.com' },
    { name: 'utf-8 with escaped ASCII', orcpt: 'utf-8;a\\x{2B}b\\x{3D}c@d', want: 'utf-8;a+b=c@d' },
    { name: 'utf-8 plain with a plus, which encodes nothing', orcpt: 'utf-8;jürgen+2B@d', want: 'utf-8;jürgen+2B@d' },
    { name: 'utf-8 hiding a line break stays', orcpt: 'utf-8;a\\x{0D}\\x{0A}b', want: 'utf-8;a\\x{0D}\\x{0A}b' },
    { name: 'utf-8 hiding a line separator stays', orcpt: 'utf-8;a\\x{2028}b', want: 'utf-8;a\\x{2028}b' },
    { name: 'utf-8 with a raw line break', orcpt: 'utf-8;a\r\nb', want: undefined },
    { name: 'utf-8 hiding a lone surrogate stays', orcpt: 'utf-8;a\\x{D800}b', want: 'utf-8;a\\x{D800}b' },
    { name: 'a point beyond Unicode stays', orcpt: 'utf-8;a\\x{FFFFFF}b', want: 'utf-8;a\\x{FFFFFF}b' },
    { name: 'no type', orcpt: ';a@b', want: undefined },
    { name: 'no semicolon', orcpt: 'a@b', want: undefined },
    { name: 'no address', orcpt: 'rfc822;', want: undefined },
    { name: 'a line break in the type', orcpt: 'rfc\r\n822;a@b', want: undefined },
    { name: 'too long', orcpt: `rfc822;${'a'.repeat(501)}`, want: undefined },
  ];
  for (const { name, orcpt, want } of cases) {
    test(name, () => {
      const address = dsnAddressOfOrcpt(orcpt);
      assert.equal(address.ok ? `${address.value.type};${address.value.address}` : undefined, want);
    });
  }

  test('whatever comes, no control character is given out', () => {
    fc.assert(
      fc.property(fc.constantFrom('rfc822', 'utf-8'), fc.string({ unit: 'binary' }), (type, text) => {
        const address = dsnAddressOfOrcpt(`${type};${text}`);
        if (address.ok) assert.doesNotMatch(address.value.address, /[\p{Cc}\u2028\u2029]/u);
      }),
    );
  });
});

describe('formatDsnAddress', () => {
  test('ASCII is of type rfc822', () => {
    assert.deepEqual(dsnAddressOf({ localPart: 'bob', domain: example }), {
      type: 'rfc822',
      address: 'bob@example.com',
    });
  });
  test('other characters make it utf-8', () => {
    const address = dsnAddressOf({ localPart: 'jürgen\\', domain: example });
    assert.equal(address.type, 'utf-8');
    assert.ok(formatDsnAddress(address, 'utf-8').startsWith('utf-8;'));
    assert.match(formatDsnAddress(address, 'ascii'), /^utf-8;[\x20-\x7e]*j\\x\{FC\}rgen/);
  });
  test('what is written in ASCII reads back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
        const address = { type: 'utf-8', address: `ä${text.replaceAll(/[\p{Cc}+=\s\u2028\u2029\ufffd]/gu, '')}` };
        assert.deepEqual(dsnAddressOfOrcpt(formatDsnAddress(address, 'ascii')), { ok: true, value: address });
      }),
    );
  });
});
