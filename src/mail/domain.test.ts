import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseDomain } from './domain.ts';

const label63 = 'a'.repeat(63);

describe('parseDomain', () => {
  const good: readonly (readonly [string, string, string])[] = [
    ['a domain', 'example.com', 'example.com'],
    ['case does not matter', 'EXAMPLE.Com', 'example.com'],
    ['one label', 'localhost', 'localhost'],
    ['digits in front', '3com.com', '3com.com'],
    ['digits in the middle', 'a.123.com', 'a.123.com'],
    ['hyphens inside, two in a row too', 'r3---sn-x.example', 'r3---sn-x.example'],
    ['63 octets in a label', `${label63}.com`, `${label63}.com`],
    ['U-labels become A-labels', 'bücher.example', 'xn--bcher-kva.example'],
    ['A-labels stay', 'xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['A-labels in any case', 'XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['upper-case U-labels', 'BÜCHER.example', 'xn--bcher-kva.example'],
    ['decomposed letters are composed', 'bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['non-transitional: sharp s stays one', 'faß.de', 'xn--fa-hia.de'],
    ['full-width letters are letters', 'ｅｘ.com', 'ex.com'],
    ['the ideographic full stop is a dot', '例え。jp', 'xn--r8jz45g.jp'],
    ['a joiner where its script needs it', 'क्‍ष.example', 'xn--11b2ezcw70k.example'],
    ['a right-to-left name', 'مثال.example', 'xn--mgbh0fb.example'],
    ['names of prototype members', 'constructor.prototype', 'constructor.prototype'],
  ];
  for (const [name, text, value] of good) test(name, () => assert.deepEqual(parseDomain(text), { ok: true, value }));

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /empty/],
    ['a leading dot', '.example.com', /empty label/],
    ['a final dot', 'example.com.', /empty label/],
    ['two dots', 'example..com', /empty label/],
    ['a hyphen in front', '-a.com', /bad label/],
    ['a hyphen behind', 'a-.com', /bad label/],
    ['an underscore', 'a_b.com', /bad label/],
    ['64 octets in a label', `a${label63}.com`, /bad label/],
    ['256 octets', `${'a.'.repeat(127)}aa`, /longer than 255/],
    ['a megabyte', 'a'.repeat(1_000_000), /longer than 255/],
    ['U-labels that grow beyond 255 octets', 'ü.'.repeat(120) + 'de', /longer than 255/],
    ['an IPv4 address', '192.0.2.1', /ends in a number/],
    ['a number', '123', /ends in a number/],
    ['a hexadecimal number', 'a.0x7f', /ends in a number/],
    ['full-width digits that make an address', '１.２.３.４', /ends in a number/],
    ['a circled digit', '①', /ends in a number/],
    ['a soft hyphen', 'ex\u00adample.com', /invisible/],
    ['a zero-width space', 'ex\u200bample.com', /invisible/],
    ['a byte order mark', '\ufeffexample.com', /invisible/],
    ['a word joiner', 'ex\u2060ample.com', /invisible/],
    ['a variation selector', 'a\ufe0f.com', /invisible/],
    ['a joiner where no script needs it', 'a\u200db.com', /not a valid internationalized/],
    ['a percent-encoded letter', 'a%41b.com', /bad label/],
    ['a percent-encoded letter beside a U-label', 'ü%41.com', /none may have/],
    ['a slash beside a U-label', 'ü.com/evil', /none may have/],
    ['a full-width slash', 'ü／evil.com', /not a valid internationalized/],
    ['a full-width percent sign', 'a％41.com', /not a valid internationalized|bad label/],
    ['a port beside a U-label', 'ü.com:80', /none may have/],
    ['a character that becomes a/c', '℀.com', /not a valid internationalized|bad label/],
    ['a space', 'a b.com', /bad label/],
    ['a comment', 'good.com(x)evil.com', /bad label/],
    ['a NUL', 'a\0.com', /bad label/],
    ['a line end', 'a.com\r\n', /bad label/],
    ['a line end beside a U-label', 'ü.com\r\n', /none may have/],
    ['half a surrogate pair', 'a\ud800.com', /none may have/],
    ['mixed directions', 'aمثال.com', /not a valid internationalized/],
    ['an unassigned character', 'a\u0378.com', /not a valid internationalized/],
    ['a label that only looks like Punycode', 'xn--example-.com', /bad label|Punycode/],
    ['Punycode that does not decode', 'xn--a.com', /Punycode/],
    ['Punycode of plain ASCII', 'xn--abc-.com', /bad label|Punycode/],
    ['Punycode of a soft hyphen', 'xn--example-mka.com', /Punycode/],
    ['Punycode of an upper-case letter', 'xn--bcher-2pa.example', /Punycode/],
    ['an empty A-label', 'xn--.com', /bad label/],
    ['an address literal', '[192.0.2.1]', /bad label/],
  ];
  for (const [name, text, reason] of bad)
    test(`${name} is refused`, () => {
      const result = parseDomain(text);
      assert.ok(!result.ok, JSON.stringify(result));
      assert.match(result.reason, reason);
    });

  test('no text makes it throw, and what it gives is its own canonical form', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.domain(),
      fc
        .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 })
        .map((l) => l.join('.')),
      fc.string({ unit: fc.constantFrom('a', 'z', '-', '0', '9'), maxLength: 20 }).map((tail) => `xn--${tail}.example`),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const result = parseDomain(text);
        if (!result.ok) return;
        assert.match(result.value, /^[a-z0-9.-]{1,255}$/);
        assert.deepEqual(parseDomain(result.value), result);
      }),
      { numRuns: 1000 },
    );
  });
});
