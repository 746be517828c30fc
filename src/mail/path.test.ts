import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  addressOf,
  formatMailbox,
  isAddressLiteral,
  isAscii,
  needsSmtpUtf8,
  parseAddressLiteral,
  parseForwardPath,
  parseMailbox,
  parseReversePath,
} from './path.ts';

const local64 = 'a'.repeat(64);
// 254 octets as an address, 256 with its angle brackets.
const longest = `${local64}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;

describe('parseMailbox accepts', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['a plain address', 'ann@example.com', 'ann', 'example.com'],
    ['case kept on the left, not on the right', 'Ann@Example.COM', 'Ann', 'example.com'],
    ['dots', 'a.b.c@example.com', 'a.b.c', 'example.com'],
    ['all of atext', "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", 'example.com'],
    ['quotes that are not needed', '"ann"@example.com', 'ann', 'example.com'],
    ['quotes that are', '"a b"@example.com', 'a b', 'example.com'],
    ['quoted dots', '"..a."@example.com', '..a.', 'example.com'],
    ['a quoted at sign', '"a@b"@example.com', 'a@b', 'example.com'],
    ['a quoted angle bracket', '"foo@psres.net> ORCPT=admin@x"@test', 'foo@psres.net> ORCPT=admin@x', 'test'],
    ['quoted pairs', '"a\\"b\\\\c\\d"@example.com', 'a"b\\cd', 'example.com'],
    ['a quoted pair of a space', '"a\\ b"@example.com', 'a b', 'example.com'],
    ['a quoted comment is text', '"(x)"@example.com', '(x)', 'example.com'],
    ['one label', 'ann@localhost', 'ann', 'localhost'],
    ['an IPv4 literal', 'ann@[192.0.2.1]', 'ann', '[192.0.2.1]'],
    ['an IPv6 literal', 'ann@[ipv6:2001:DB8:0:0::0001]', 'ann', '[IPv6:2001:db8::1]'],
    ['a full IPv6 literal', 'ann@[IPv6:1:2:3:4:5:6:7:8]', 'ann', '[IPv6:1:2:3:4:5:6:7:8]'],
    ['an IPv6 literal with dots', 'ann@[IPv6:64:ff9b::192.0.2.33]', 'ann', '[IPv6:64:ff9b::c000:221]'],
    ['a full IPv6 literal with dots', 'ann@[IPv6:1:2:3:4:5:6:1.2.3.4]', 'ann', '[IPv6:1:2:3:4:5:6:102:304]'],
    ['an IPv4-mapped literal is the IPv4 literal', 'ann@[IPv6:::ffff:192.0.2.1]', 'ann', '[192.0.2.1]'],
    ['64 octets of local part', `${local64}@example.com`, local64, 'example.com'],
    ['254 octets', longest, local64, longest.slice(65)],
    ['a UTF-8 local part', 'grüße@example.com', 'grüße', 'example.com'],
    ['a UTF-8 local part in quotes', '"grüße an"@example.com', 'grüße an', 'example.com'],
    ['beyond the BMP', '😀@example.com', '😀', 'example.com'],
    ['a U-label', 'ann@bücher.example', 'ann', 'xn--bcher-kva.example'],
    ['names of prototype members', '__proto__@constructor', '__proto__', 'constructor'],
  ];
  for (const [name, text, localPart, domain] of cases)
    test(name, () => assert.deepEqual(parseMailbox(text), { ok: true, value: { localPart, domain } }));
});

/** None of these is an address, alone or in a path. */
const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /local part is empty/],
  ['no local part', '@example.com', /local part is empty|source route/],
  ['an empty quoted local part', '""@example.com', /local part is empty/],
  ['no domain', 'ann', /domain is missing/],
  ['nothing behind the at sign', 'ann@', /domain is empty/],
  ['a leading dot', '.ann@example.com', /begins or ends with a dot/],
  ['a final dot', 'ann.@example.com', /begins or ends with a dot/],
  ['two dots', 'a..b@example.com', /two dots/],
  ['a space', 'a b@example.com', /unexpected U\+0020/],
  ['a space in front', ' ann@example.com', /local part is empty/],
  ['a space before the at sign', 'ann @example.com', /unexpected U\+0020/],
  ['a space behind the at sign', 'ann@ example.com', /domain is empty/],
  ['a space at the end', 'ann@example.com ', /unexpected U\+0020/],
  ['two at signs', 'ann@a.com@b.com', /unexpected '@'/],
  ['a quoted address behind which another comes', '"ann@a.com"@b.com@c.com', /unexpected '@'/],
  ['a comment in front', '(x)ann@example.com', /local part is empty/],
  ['a comment behind the local part', 'ann(x)@example.com', /unexpected '\('/],
  ['a comment that glues two domains', 'ann@good.com(x)evil.com', /unexpected '\('/],
  ['a group', 'group:ann@example.com;', /unexpected ':'/],
  ['a list', 'ann@example.com,bob@example.com', /unexpected ','/],
  ['half a quoted string', '"ann@example.com', /no end/],
  ['quotes in the middle', 'a"b"@example.com', /unexpected '"'/],
  ['text behind the quotes', '"a"b@example.com', /unexpected 'b'/],
  ['dots between quoted strings', '"a"."b"@example.com', /unexpected '\.'/],
  ['a backslash without quotes', 'a\\b@example.com', /unexpected '\\'/],
  ['a backslash before non-ASCII', '"\\é"@example.com', /bad character behind a backslash/],
  ['a quoted CR', '"a\rb"@example.com', /control character/],
  ['a quoted LF', '"a\nb"@example.com', /control character/],
  ['a quoted NUL', '"a\0b"@example.com', /control character/],
  ['a quoted DEL', '"a\x7fb"@example.com', /control character/],
  ['a quoted tab', '"a\tb"@example.com', /control character/],
  ['a quoted pair of CR', '"a\\\rb"@example.com', /bad character behind a backslash/],
  ['a quoted pair of LF', '"a\\\nb"@example.com', /bad character behind a backslash/],
  ['a quoted pair of NUL', '"a\\\0b"@example.com', /bad character behind a backslash/],
  ['a quoted pair of DEL', '"a\\\x7fb"@example.com', /bad character behind a backslash/],
  ['a control character', 'a\x01b@example.com', /unexpected U\+0001/],
  ['a C1 control', 'a\x85b@example.com', /control character/],
  ['a line separator', 'a\u2028b@example.com', /control character/],
  ['octets that were no UTF-8', 'a\ufffdb@example.com', /not UTF-8/],
  ['half a surrogate pair', 'a\ud800b@example.com', /control character/],
  ['a noncharacter', 'a\uffffb@example.com', /control character/],
  ['a decomposed letter', 'u\u0308@example.com', /normalization form C/],
  ['65 octets of local part', `a${local64}@example.com`, /longer than 64/],
  ['65 octets in fewer characters', `${'é'.repeat(33)}@example.com`, /longer than 64/],
  ['255 octets', `${longest}d`, /longer than 254/],
  ['U-labels that grow beyond 254 octets', `${local64}@${'ü.'.repeat(24)}de`, /longer than 254/],
  ['a domain with a bad label', 'ann@-example.com', /bad label/],
  ['a domain that is a number', 'ann@192.0.2.1', /ends in a number/],
  ['a soft hyphen in the domain', 'ann@ex\u00adample.com', /invisible/],
  ['a final dot of the domain', 'ann@example.com.', /empty label/],
  ['a percent sign in the domain', 'ann@ex%41mple.com', /unexpected '%'/],
  ['an empty literal', 'ann@[]', /bad address literal/],
  ['a literal without an end', 'ann@[192.0.2.1', /no end/],
  ['text behind a literal', 'ann@[192.0.2.1].com', /unexpected '\.'/],
  ['a space in a literal', 'ann@[192.0.2.1 ]', /no end, or a bad character/],
  ['an octet above 255', 'ann@[192.0.2.256]', /bad address literal/],
  ['three octets', 'ann@[192.0.2]', /bad address literal/],
  ['leading zeros', 'ann@[192.0.2.01]', /bad address literal/],
  ['a hexadecimal octet', 'ann@[0x7f.0.0.1]', /bad address literal/],
  ['IPv6 without its tag', 'ann@[2001:db8::1]', /bad address literal/],
  ['IPv4 with the tag of IPv6', 'ann@[IPv6:192.0.2.1]', /bad address literal/],
  ['two runs of zeros', 'ann@[IPv6:1::2::3]', /bad address literal/],
  ['a run of zeros that stands for one group', 'ann@[IPv6:1:2:3:4:5:6:7::]', /bad address literal/],
  ['a run of one group before dots', 'ann@[IPv6:1:2:3:4:5::1.2.3.4]', /bad address literal/],
  ['nine groups', 'ann@[IPv6:1:2:3:4:5:6:7:8:9]', /bad address literal/],
  ['a zone id', 'ann@[IPv6:fe80::1%eth0]', /bad address literal/],
  ['an unknown tag', 'ann@[x400:abc]', /bad address literal/],
  ['a line end in a literal', 'ann@[192.0.2.1\r\n]', /no end, or a bad character/],
];

describe('parseMailbox refuses', () => {
  for (const [name, text, reason] of REFUSED)
    test(name, () => {
      const result = parseMailbox(text);
      assert.ok(!result.ok, JSON.stringify(result));
      assert.match(result.reason, reason);
    });
});

describe('a path refuses what a mailbox does', () => {
  for (const [name, text] of REFUSED)
    test(name, () => {
      assert.equal(parseForwardPath(`<${text}>`).ok, false);
      // `<>` is a reverse-path.
      if (text !== '') assert.equal(parseReversePath(`<${text}>`).ok, false);
    });
});

describe('paths', () => {
  const ann = { localPart: 'ann', domain: 'example.com' };
  const good: readonly (readonly [string, string, unknown, string])[] = [
    ['an address', '<ann@example.com>', ann, ''],
    ['parameters', '<ann@example.com> SIZE=1 BODY=7BIT', ann, ' SIZE=1 BODY=7BIT'],
    ['a source route is ignored', '<@a.example:ann@example.com>', ann, ''],
    ['a long source route', '<@a.example,@b.example,@xn--bcher-kva.example:ann@example.com> X', ann, ' X'],
    ['a source route with a literal', '<@[192.0.2.1]:ann@example.com>', ann, ''],
    [
      'a quoted bracket does not end the path',
      '<"a> X"@test> SIZE=1',
      { localPart: 'a> X', domain: 'test' },
      ' SIZE=1',
    ],
    ['256 octets', `<${longest}>`, { localPart: local64, domain: longest.slice(65) }, ''],
    ['a megabyte of parameters', `<ann@example.com> ${'x'.repeat(1_000_000)}`, ann, ` ${'x'.repeat(1_000_000)}`],
  ];
  for (const [name, text, path, rest] of good)
    test(name, () => {
      assert.deepEqual(parseForwardPath(text), { ok: true, value: { path, rest } });
      assert.deepEqual(parseReversePath(text), { ok: true, value: { path, rest } });
    });

  const bad: readonly (readonly [string, string])[] = [
    ['no brackets', 'ann@example.com'],
    ['a space in front', ' <ann@example.com>'],
    ['no end', '<ann@example.com'],
    ['text behind the end', '<ann@example.com>SIZE=1'],
    ['a tab behind the end', '<ann@example.com>\tSIZE=1'],
    ['a second end', '<ann@example.com>>'],
    ['two beginnings', '<<ann@example.com>>'],
    ['a display name', 'Ann <ann@example.com>'],
    ['a source route without an address', '<@a.example:>'],
    ['a source route with a bad domain', '<@-a:ann@example.com>'],
    ['a source route with a space', '<@a.example, @b.example:ann@example.com>'],
    ['a source route without a colon', '<@a.example,ann@example.com>'],
    ['a source route before postmaster', '<@a.example:postmaster>'],
    ['257 octets with the source route', `<@a:${longest.slice(2)}>`],
    ['a local part without a domain', '<ann>'],
    ['a space inside', '< ann@example.com>'],
    ['a space at the end', '<ann@example.com >'],
    ['a megabyte', `<${'a'.repeat(1_000_000)}@example.com>`],
    ['a megabyte of quotes', `<${'"\\'.repeat(500_000)}`],
    ['a megabyte of source route', `<${'@a,'.repeat(333_333)}:ann@example.com>`],
  ];
  for (const [name, text] of bad)
    test(`${name} is refused`, () => {
      assert.equal(parseForwardPath(text).ok, false);
      assert.equal(parseReversePath(text).ok, false);
    });

  test('the null path is a reverse-path only', () => {
    assert.deepEqual(parseReversePath('<> RET=HDRS'), { ok: true, value: { path: null, rest: ' RET=HDRS' } });
    assert.equal(parseForwardPath('<>').ok, false);
    assert.equal(parseReversePath('<>x').ok, false);
    assert.equal(parseReversePath('< >').ok, false);
  });
  test('the postmaster needs no domain, as a recipient', () => {
    for (const localPart of ['Postmaster', 'postmaster', 'POSTMASTER'])
      assert.deepEqual(parseForwardPath(`<${localPart}> NOTIFY=NEVER`), {
        ok: true,
        value: { path: { localPart, domain: '' }, rest: ' NOTIFY=NEVER' },
      });
    assert.equal(parseReversePath('<postmaster>').ok, false);
    assert.equal(parseForwardPath('<postmaster>x').ok, false);
    assert.equal(parseMailbox('postmaster').ok, false);
    assert.equal(parseForwardPath('<poſtmaster>').ok, false);
  });
});

describe('formatMailbox', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['"ann"@Example.com', 'ann@example.com'],
    ['"a\\nn"@example.com', 'ann@example.com'],
    ['"a b"@example.com', '"a b"@example.com'],
    ['"a\\ b"@example.com', '"a b"@example.com'],
    ['"a\\"b\\\\"@example.com', '"a\\"b\\\\"@example.com'],
    ['".a"@example.com', '".a"@example.com'],
    ['"a..b"@example.com', '"a..b"@example.com'],
    ['"a@evil x"@good', '"a@evil x"@good'],
    ['"grüße"@bücher.example', 'grüße@xn--bcher-kva.example'],
  ];
  for (const [text, want] of cases)
    test(text, () => {
      const mailbox = parseMailbox(text);
      assert.ok(mailbox.ok);
      assert.equal(formatMailbox(mailbox.value), want);
    });
});

test('only the local part asks for SMTPUTF8', () => {
  const cases = [
    ['ann@bücher.example', false],
    ['grüße@example.com', true],
    ['"grüße an"@[192.0.2.1]', true],
    ['"a b"@example.com', false],
  ] as const;
  for (const [text, needed] of cases) {
    const mailbox = parseMailbox(text);
    assert.ok(mailbox.ok);
    assert.equal(needsSmtpUtf8(mailbox.value), needed);
    assert.equal(isAscii(mailbox.value), !needed);
  }
  assert.equal(needsSmtpUtf8(null), false);
});

test('the address in a literal', () => {
  for (const [text, address] of [
    ['[192.0.2.1]', '192.0.2.1'],
    ['[IPv6:2001:DB8::1]', '2001:db8::1'],
  ] as const) {
    const literal = parseAddressLiteral(text);
    assert.ok(literal.ok);
    assert.ok(isAddressLiteral(literal.value));
    assert.equal(addressOf(literal.value), address);
  }
});

/** A second, independent reading of RFC 5321 §4.1.2 (ASCII, domains only): one strict pattern. */
const GRAMMAR =
  /^(?:[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*|"(?:[ !#-[\]-~]|\\[ -~])+")@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;

describe('properties', () => {
  const atom = fc.string({
    unit: fc.constantFrom(..."abzABZ019!#$%&'*+-/=?^_`{|}~éß漢😀"),
    minLength: 1,
    maxLength: 6,
  });
  const dotString = fc.array(atom, { minLength: 1, maxLength: 3 }).map((atoms) => atoms.join('.'));
  const quoted = fc
    .array(fc.constantFrom('a', ' ', '@', '>', '<', ',', '(', ')', '.', '\\"', '\\\\', '\\a', '\\ ', 'é', ';', ':'), {
      minLength: 1,
      maxLength: 16,
    })
    .map((parts) => `"${parts.join('')}"`);
  const literal = fc.oneof(
    fc.ipV4().map((address) => `[${address}]`),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
      .map((g) => `[IPv6:${g.map((n) => n.toString(16)).join(':')}]`),
  );
  const mailbox = fc
    .tuple(fc.oneof(dotString, quoted), fc.oneof(fc.domain(), fc.constant('Bücher.example'), literal))
    .map(([local, domain]) => `${local}@${domain}`)
    .filter((text) => text.length < 200);

  test('a valid mailbox is read, and its canonical text reads back to the same value', () => {
    fc.assert(
      fc.property(mailbox, (text) => {
        const first = parseMailbox(text);
        assert.ok(first.ok, `${text}: ${JSON.stringify(first)}`);
        const canonical = formatMailbox(first.value);
        assert.deepEqual(parseMailbox(canonical), first);
        assert.deepEqual(parseForwardPath(`<${canonical}>`), { ok: true, value: { path: first.value, rest: '' } });
        assert.deepEqual(parseReversePath(`<${text}> A=b`), { ok: true, value: { path: first.value, rest: ' A=b' } });
      }),
      { numRuns: 500 },
    );
  });
  test('no text makes it throw, and what it reads is canonical after one pass', () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'ab@.,:;<>()[]"\\ é\r\n\0'), maxLength: 40 }),
      fc.string({ unit: fc.constantFrom(...'<@a.b,:>" '), maxLength: 40 }),
    );
    fc.assert(
      fc.property(junk, (text) => {
        for (const result of [parseMailbox(text), parseMailbox(`${text}@a.example`)]) {
          if (!result.ok) continue;
          assert.deepEqual(parseMailbox(formatMailbox(result.value)), result);
          assert.doesNotMatch(formatMailbox(result.value), /\p{Cc}/u);
        }
        for (const path of [parseForwardPath(text), parseReversePath(text), parseForwardPath(`<${text}>`)])
          if (path.ok) assert.match(path.value.rest, /^(?: |$)/);
      }),
      { numRuns: 1000 },
    );
  });
  test('agrees with the grammar on what is a mailbox', () => {
    const near = fc
      .string({ unit: fc.constantFrom(...'ab1@..-_"\\ (>'), maxLength: 12 })
      .map((text) => `a${text}@b.example`);
    fc.assert(
      fc.property(fc.oneof(near, mailbox), (text) => {
        if (!/^[\0-\x7f]*$/.test(text) || text.includes('[')) return;
        assert.equal(parseMailbox(text).ok, GRAMMAR.test(text), text);
      }),
      { numRuns: 1000 },
    );
  });
});
