import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withDomain } from './address-completion.ts';
import { type AddressPlace, hasDomain, parseAddressList } from './address-list.ts';
import { decodeWords } from './encoded-word.ts';

const completed = (text: string): string | undefined => withDomain(text, 'd.test', 1000)?.text;

describe('a domain is put behind', () => {
  for (const [name, given, want] of [
    ['a local part', 'bob', 'bob@d.test'],
    ['one in brackets', 'Bob <bob>', 'Bob <bob@d.test>'],
    ['a name with a colon', '"Dr: Ann" <ann>', '"Dr: Ann" <ann@d.test>'],
    ['a name like a group', '"Project: X" <bob>', '"Project: X" <bob@d.test>'],
    ['what a comment with a semicolon follows', 'bob (the; builder)', 'bob@d.test (the; builder)'],
    ['the members of a group', 'friends: bob, Carl <carl>;', 'friends: bob@d.test,\r\n Carl <carl@d.test>;'],
    ['what stands behind a group', 'a: b@b.test;, c: d;', 'a: b@b.test;,\r\n c: d@d.test;'],
    ['an address with a route', 'Bob <@x.test,@y.test:bob>', 'Bob <@x.test,@y.test:bob@d.test>'],
    ['an encoded name', '=?utf-8?Q?=C3=84nn=3A?= <ann>', '=?utf-8?Q?=C3=84nn=3A?= <ann@d.test>'],
    ['a folded list', ' Ann\r\n\t<ann>,\r\n bob \r\n', ' Ann\r\n\t<ann@d.test>,\r\n bob@d.test \r\n'],
    ['one behind a fold and white space', 'a@b.test, \r\n bob', 'a@b.test, \r\n bob@d.test'],
    ['one behind a comma alone', 'a@b.test,bob', 'a@b.test,\r\n\tbob@d.test'],
    ['a quoted local part', '"a@b", "c d"', '"a@b"@d.test,\r\n "c d"@d.test'],
    ['quotes that are not needed', '"bob"', 'bob@d.test'],
    ['dots that must be quoted', 'bob.', '"bob."@d.test'],
    ['white space around dots', 'bob . b', 'bob.b@d.test'],
    ['an address with a comment in it', 'bob (x) . (y) b (z)', 'bob (x) . (y) b@d.test (z)'],
    ['a local part in brackets', '[bob\r\n x]', '"[bob x]"@d.test'],
    ['one in another script', 'änn', 'änn@d.test'],
    ['a name in another script', 'Änn Bö B. Cä<ann>', ' =?utf-8?B?w4RubiBCw7Y=?= B. =?utf-8?B?Q8Ok?= <ann@d.test>'],
    ['one in quotes', 'x@b.test,"Bö, Änn" <ann>', 'x@b.test,\r\n\t =?utf-8?B?QsO2LCDDhG5u?= <ann@d.test>'],
    ['what a comment in another script follows', 'ann (Änn (x))', 'ann@d.test (=?utf-8?B?w4RubiAoeCk=?=)'],
    ['a route in another script', '<@ö.test:ann>', '<@ö.test:ann@d.test>'],
    ['one of a list, and the others stay', 'Bö <"b" @ b.test> , x', 'Bö <"b" @ b.test> ,\r\n x@d.test'],
  ] as const)
    test(name, () => assert.equal(completed(given), want)); // prettier-ignore
});

test('nothing is said of a list that cannot be read, or in which too much is missing', () => {
  assert.equal(withDomain('ann smith', 'd.test', 5), undefined);
  assert.equal(withDomain('a, b, c@c.test', 'd.test', 1), undefined);
  assert.deepEqual(withDomain('a@a.test , (b)', 'd.test', 0), { text: 'a@a.test , (b)', count: 0 });
});

const piece = fc.constantFrom(
  ...['ann', 'bob@b.test', 'Ann <ann>', '"Dr: A" <a@a.test>', 'Bö (ü) <"x y">', '<@r.test:c>', 'a.b (x;,)', '"@"'],
  ...['x@[192.0.2.1]', '=?utf-8?Q?=C3=84?= <e>', ' ', '\r\n ', ',', ';', 'g:', '(c)', '\t'],
);
const list = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(','));

describe('whatever the list (property)', () => {
  test('where every address has its domain, nothing changes', () => {
    fc.assert(
      fc.property(fc.oneof(list, fc.string({ unit: fc.constantFrom(...'a@.,:;<>()" \t') })), (text) => {
        const read = parseAddressList(text, Infinity);
        if (read.ok && read.value.every(({ address }) => hasDomain(address))) assert.equal(completed(text), text);
        const done = completed(text);
        if (done !== undefined) assert.equal(completed(done), done, 'a second time');
      }),
      { numRuns: 3000 },
    );
  });

  test('the addresses are the same, with their domains, and those that had one are as they were', () => {
    fc.assert(
      fc.property(list, (text) => {
        const before = parseAddressList(text, Infinity);
        const done = completed(text);
        assert.equal(done !== undefined, before.ok);
        const after = parseAddressList(done ?? '', Infinity);
        if (!before.ok) return;
        assert.ok(after.ok && done !== undefined);
        const want = before.value.map(({ address, name }) => [
          hasDomain(address) ? address : `${address}@d.test`,
          name,
        ]);
        assert.deepEqual(after.value.map(({ address, name }) => [address, decodeWords(name)]), want.map(([address, name]) => [address, decodeWords(name ?? '')])); // prettier-ignore
        for (const [i, { address, place }] of before.value.entries()) {
          const now: AddressPlace | undefined = after.value[i]?.place;
          if (hasDomain(address)) assert.equal(done.slice(now?.start, now?.end), text.slice(place.start, place.end));
        }
        assert.ok(!/\n[ \t]*\r\n[ \t]/.test(done) || /\n[ \t]*\r\n[ \t]/.test(text), 'no line is blank');
      }),
      { numRuns: 3000 },
    );
  });
});
