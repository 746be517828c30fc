import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAddressList } from './address-list.ts';
import { formatMailbox, parseMailbox } from './path.ts';

const GOOD: readonly { readonly name: string; readonly text: string; readonly want: readonly string[] }[] = [
  { name: 'one address', text: 'ann@example.com', want: ['|ann@example.com'] },
  { name: 'a local part alone', text: 'root', want: ['|root'] },
  { name: 'several', text: 'ann, bob@b.test ,root', want: ['|ann', '|bob@b.test', '|root'] },
  { name: 'nothing', text: '', want: [] },
  { name: 'white space', text: ' \t ', want: [] },
  { name: 'empty places', text: ', ,ann,,', want: ['|ann'] },
  { name: 'a display name', text: 'Ann Smith <ann@a.test>', want: ['Ann Smith|ann@a.test'] },
  { name: 'a quoted display name with a comma', text: '"Smith, Ann" <ann@a.test>', want: ['Smith, Ann|ann@a.test'] },
  { name: 'an initial', text: 'Ann B. Smith <ann@a.test>', want: ['Ann B. Smith|ann@a.test'] },
  { name: 'an encoded word', text: '=?utf-8?Q?=C3=84nn?= <ann@a.test>', want: ['=?utf-8?Q?=C3=84nn?=|ann@a.test'] },
  { name: 'the old form of a name', text: 'ann@a.test (Ann Smith)', want: ['Ann Smith|ann@a.test'] },
  { name: 'comments anywhere', text: '(x)ann(y)@(z (deep))a.test(w)', want: ['w|ann@a.test'] },
  { name: 'a comma in a comment', text: 'ann@a.test (Smith, Ann), bob', want: ['Smith, Ann|ann@a.test', '|bob'] },
  { name: 'an escaped parenthesis', text: 'ann (a \\) b)', want: ['a ) b|ann'] },
  { name: 'angle brackets alone', text: '<ann@a.test>', want: ['|ann@a.test'] },
  { name: 'white space around dots and @', text: 'ann . b @ a . test', want: ['|ann.b@a.test'] },
  { name: 'a folded list', text: 'ann@a.test,\r\n bob@b.test', want: ['|ann@a.test', '|bob@b.test'] },
  {
    name: 'a group',
    text: 'friends: ann@a.test, Bob <bob@b.test>;, eve',
    want: ['|ann@a.test', 'Bob|bob@b.test', '|eve'],
  },
  { name: 'an empty group', text: 'undisclosed-recipients:;', want: [] },
  { name: 'a group with a dot in its name', text: 'Friends & Co. (all): ann;', want: ['|ann'] },
  { name: 'a source route with empty places', text: '<@x.test,,@[192.0.2.1]:ann@a.test>', want: ['|ann@a.test'] },
  { name: 'a source route', text: '<@x.test,@y.test:ann@a.test>, bob', want: ['|ann@a.test', '|bob'] },
  { name: 'a quoted local part', text: '"ann smith"@a.test', want: ['|"ann smith"@a.test'] },
  { name: 'quotes that are not needed', text: '"ann"@a.test', want: ['|ann@a.test'] },
  { name: 'a quoted pair', text: '"a\\"b"@a.test', want: ['|"a\\"b"@a.test'] },
  { name: 'an address literal', text: 'ann@[192.0.2.1]', want: ['|ann@[192.0.2.1]'] },
  { name: 'letters of other scripts', text: 'Änn <änn@ä.test>', want: ['Änn|änn@ä.test'] },
  { name: 'characters of shells', text: "o'brien+x|y@a.test", want: ["|o'brien+x|y@a.test"] },
];

const BAD: readonly { readonly name: string; readonly text: string; readonly why: RegExp }[] = [
  { name: 'a domain in quotes', text: 'a@"b.test"', why: /domain stands in quotes/ },
  { name: 'two words', text: 'ann smith', why: /no comma or angle bracket between "ann"/ },
  { name: 'a quote without an end', text: '"ann', why: /quoted string has no end/ },
  { name: 'a comment without an end', text: 'ann (x', why: /comment has no end/ },
  { name: 'comments nested without bound', text: '('.repeat(5000), why: /nested too deep/ },
  { name: 'a literal without an end', text: 'ann@[192', why: /literal has no end/ },
  { name: 'a missing domain', text: 'ann@', why: /domain is missing/ },
  { name: 'a missing local part', text: '@a.test', why: /local part is missing/ },
  { name: 'two at signs', text: 'a@b@c', why: /unexpected "@"/ },
  { name: 'an empty path', text: '<>', why: /local part is missing/ },
  { name: 'no closing bracket', text: 'Ann <ann@a.test', why: /'>' is missing/ },
  { name: 'no opening bracket', text: 'ann@a.test>', why: /unexpected ">"/ },
  { name: 'something behind the bracket', text: '<ann@a.test> x', why: /stands behind/ },
  { name: 'a stray parenthesis', text: 'ann)', why: /unexpected "\)"/ },
  { name: 'a control character', text: 'ann\0@a.test', why: /unexpected/ },
  { name: 'too many', text: 'a,b,c,d', why: /more than 3 addresses/ },
  { name: 'an address as the name of a group', text: '<boss@b.test>: ann@a.test;', why: /group is no phrase/ },
  { name: 'one without brackets', text: 'boss@b.test:ann@a.test;', why: /group is no phrase/ },
  { name: 'one with a name', text: '"Boss" <boss@b.test>:;, ann@a.test', why: /group is no phrase/ },
  { name: 'an address in a source route', text: '<@x boss@b.test:ann@a.test>', why: /route is not of hosts/ },
  { name: 'a route of something else', text: '<@x.test,boss:ann@a.test>', why: /route is not of hosts/ },
];

test('an address where only a name belongs is told of', () => {
  const found = parseAddressList('boss @ b.test <ann@a.test>, "boss@b.test" <ann@a.test>, Ann <ann@a.test>', 3);
  assert.ok(found.ok);
  assert.deepEqual(
    found.value.map(({ address, addressInName }) => [address, addressInName]),
    [
      ['ann@a.test', 'boss@b.test'],
      ['ann@a.test', undefined],
      ['ann@a.test', undefined],
    ],
  );
});

describe('parseAddressList', () => {
  for (const { name, text, want } of GOOD)
    test(name, () => {
      const read = parseAddressList(text, 10);
      assert.ok(read.ok, read.ok ? '' : read.reason);
      assert.deepEqual(
        read.value.map((each) => `${each.name}|${each.address}`),
        want,
      );
    });
  for (const { name, text, why } of BAD)
    test(`refused: ${name}`, () => {
      const read = parseAddressList(text, 3);
      assert.ok(!read.ok);
      assert.match(read.reason, why);
    });

  test('any text is read or refused, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab@.,;:<>()[]"\\ \t\r\n\0ü') }), (text) => {
        const read = parseAddressList(text, 100);
        if (read.ok) assert.ok(read.value.every(({ address }) => address !== ''));
      }),
    );
  });

  test('mailboxes that are written as a list are read back', () => {
    const local = fc.string({ unit: fc.constantFrom(...'ab.-+"\\ ,@()<>'), minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(local, { minLength: 1, maxLength: 5 }), (locals) => {
        const written = locals.map((localPart) => formatMailbox({ localPart, domain: 'a.test' as never }));
        if (!written.every((address) => parseMailbox(address).ok)) return;
        const read = parseAddressList(written.map((address, i) => `N${i} <${address}>`).join(', '), 5);
        assert.ok(read.ok, read.ok ? '' : read.reason);
        assert.deepEqual(
          read.value.map(({ address }) => address),
          written,
        );
      }),
    );
  });

  test('time grows with the text alone', () => {
    for (const unit of ['(', '"', '<', 'a,', 'a ', '\\', '[', ':'])
      assert.equal(typeof parseAddressList(unit.repeat(200_000), 10).ok, 'boolean');
  });
});
