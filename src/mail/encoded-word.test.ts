import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeWords, encodeWords } from './encoded-word.ts';

describe('encodeWords', () => {
  test('ASCII stays as it is', () => assert.equal(encodeWords('Hello, "world"'), 'Hello, "world"'));
  test('text that looks like an encoded-word is encoded', () => assert.notEqual(encodeWords('=?x?'), '=?x?'));
  test('other text becomes base64', () => assert.equal(encodeWords('Grüße'), '=?utf-8?B?R3LDvMOfZQ==?='));
  test('a line break cannot be smuggled in', () => {
    assert.equal(encodeWords('a\r\nBcc: b@c.test'), 'a Bcc: b@c.test');
    assert.doesNotMatch(decodeWords(encodeWords('ä\r\nBcc: b@c.test')), /[\r\n]/);
  });

  test('words are at most 75 characters, one a line, and read back as the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        const encoded = encodeWords(text);
        if (encoded !== text) {
          for (const line of encoded.split('\r\n ')) assert.match(line, /^.{0,75}$|^[\x20-\x7e]*$/);
        }
        assert.equal(decodeWords(encoded), text.replaceAll(/\p{Cc}+/gu, ' '));
      }),
    );
  });
});

describe('decodeWords', () => {
  const cases = [
    { name: 'base64', value: '=?UTF-8?b?R3LDvMOfZQ==?=', want: 'Grüße' },
    { name: 'quoted', value: '=?iso-8859-1?Q?Gr=FC=DFe_an_alle?= !', want: 'Grüße an alle !' },
    { name: 'white space between two words goes', value: '=?utf-8?Q?a?= \r\n =?utf-8?Q?b?=', want: 'ab' },
    { name: 'white space beside plain text stays', value: '=?utf-8?Q?a?= b', want: 'a b' },
    { name: 'a language tag is ignored', value: '=?us-ascii*en?Q?a?=', want: 'a' },
    { name: 'an unknown charset stays', value: '=?klingon?Q?a?=', want: '=?klingon?Q?a?=' },
    { name: 'a broken word stays', value: '=?utf-8?X?a?= =?utf-8?Q?a', want: '=?utf-8?X?a?= =?utf-8?Q?a' },
    { name: 'an encoded line break becomes a space', value: '=?utf-8?Q?a=0D=0ABcc:_x?=', want: 'a Bcc: x' },
    { name: 'a terminal sequence loses its escape', value: '=?utf-8?Q?=1B[2J?=', want: ' [2J' },
  ];
  for (const { name, value, want } of cases) test(name, () => assert.equal(decodeWords(value), want));

  test('any text is taken, in time that grows with its length', () => {
    fc.assert(fc.property(fc.string({ maxLength: 2000 }), (text) => typeof decodeWords(text) === 'string'));
    assert.equal(decodeWords('=?a?Q?'.repeat(1500)).length, 9000);
  });
});
