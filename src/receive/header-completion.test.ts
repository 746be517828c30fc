import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasDomain, parseAddressList } from '../mail/address-list.ts';
import { fieldValue, headerFields } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { completeHeader, type CompletionFacts } from './header-completion.ts';

const FACTS: CompletionFacts = {
  address: 'ann@here.test',
  fullName: 'Ann Smith',
  date: 'Thu, 26 Nov 2026 01:00:00 +0000',
  id: '01mc7fb600zy00001k2m',
  hostname: 'mx.here.test',
  domain: 'here.test',
};
const FROM = 'From: Ann Smith <ann@here.test>\n';
const DATE = 'Date: Thu, 26 Nov 2026 01:00:00 +0000\n';
const ID = 'Message-ID: <01mc7fb600zy00001k2m@mx.here.test>\n';

const CASES: readonly { readonly name: string; readonly section: string; readonly want: string }[] = [
  { name: 'all three are added', section: 'Subject: s\n', want: `Subject: s\n${FROM}${DATE}${ID}` },
  { name: 'to nothing too', section: '', want: `${FROM}${DATE}${ID}` },
  { name: 'From stays', section: 'FROM: x@y.test\n', want: `FROM: x@y.test\n${DATE}${ID}` },
  { name: 'Date stays', section: 'date: yesterday\n', want: `date: yesterday\n${FROM}${ID}` },
  { name: 'Message-ID stays', section: 'Message-Id: <1@x>\n', want: `Message-Id: <1@x>\n${FROM}${DATE}` },
  { name: 'Bcc goes', section: `Bcc: b\n${FROM}${DATE}${ID}`, want: `${FROM}${DATE}${ID}` },
  {
    name: 'what is sent again gets the Resent fields, and the others stay as they are',
    section: 'Resent-To: r\nTo: x\nSubject: s\n',
    want: `Resent-To: r@here.test\nTo: x\nSubject: s\nResent-${FROM}Resent-${DATE}Resent-${ID}`,
  },
];

function lines(text: string): Buffer {
  return Buffer.from(text.replaceAll('\n', '\r\n'));
}

function completed(given: Buffer, facts: Partial<CompletionFacts> = {}): Buffer {
  return completeHeader(new HeaderSection(given), { ...FACTS, ...facts });
}

describe('completeHeader', () => {
  for (const { name, section, want } of CASES)
    test(name, () => assert.equal(String(completed(lines(section))), String(lines(want))));

  const names: Readonly<Record<string, string>> = {
    '': '<ann@here.test>',
    'Ann B. Smith': '"Ann B. Smith" <ann@here.test>',
    'Smith, "Ann" \\': '"Smith, \\"Ann\\" \\\\" <ann@here.test>',
    Ännchen: '=?utf-8?B?w4RubmNoZW4=?= <ann@here.test>',
    'Ann\r\nBcc: eve': '"Ann Bcc: eve" <ann@here.test>',
    '=?x?=': '=?utf-8?B?PT94Pz0=?= <ann@here.test>',
  };
  for (const [fullName, want] of Object.entries(names))
    test(`the name ${JSON.stringify(fullName)}`, () => {
      const done = completed(Buffer.alloc(0), { fullName });
      assert.match(String(done), /^From: /);
      assert.equal(String(done).slice('From: '.length, String(done).indexOf('\r\nDate')), want);
    });

  const addresses: Readonly<Record<string, readonly [string, string]>> = {
    'as cron writes From': ['From: root (Cron Daemon)', 'From: root@here.test (Cron Daemon)'],
    'a local part alone': ['To: root', 'To: root@here.test'],
    'some of several, each on a line of its own': [
      'Cc: ann, Bob <bob@b.test>,eve',
      'Cc: ann@here.test, Bob <bob@b.test>,\n\teve@here.test',
    ],
    'a colon in quotes': ['From: "Dr: Ann" <ann>', 'From: "Dr: Ann" <ann@here.test>'],
    'a semicolon in a comment': ['To: bob (the; builder)', 'To: bob@here.test (the; builder)'],
    'in a field that is folded': [
      'To: Ann\n <ann>,\n\tbob@b.test,\n eve',
      'To: Ann\n <ann@here.test>,\n\tbob@b.test,\n eve@here.test',
    ],
    'a name that must be quoted': ['to: "Smith, Ann" <ann>', 'to: "Smith, Ann" <ann@here.test>'],
    'a name in another script': ['To: Änn <ann>', 'To: =?utf-8?B?w4Rubg==?= <ann@here.test>'],
    'an encoded name': ['To: =?utf-8?Q?=C3=84nn?= <ann>', 'To: =?utf-8?Q?=C3=84nn?= <ann@here.test>'],
    'an at sign in quotes': ['Reply-To: "a@b"', 'Reply-To: "a@b"@here.test'],
    'a domain in quotes, which is none': ['To: x,a@""', 'To: x,a@""'],
    'Resent fields': ['Resent-To: root', 'Resent-To: root@here.test'],
    'whole addresses stay as they are': [
      'To:  (x)  Ann   <ann@a.test> ,\n b@b.test',
      'To:  (x)  Ann   <ann@a.test> ,\n b@b.test',
    ],
    'in a group': ['To: friends: ann, bob;', 'To: friends: ann@here.test,\n bob@here.test;'],
    'a group of whole addresses stays': ['To: friends: ann@a.test;', 'To: friends: ann@a.test;'],
    'what cannot be read': ['To: ann smith', 'To: ann smith'],
    'what is not UTF-8': ['To: \xff <ann>', 'To: \xff <ann>'],
    'other fields': ['X-To: root', 'X-To: root'],
    'nothing at all': ['To:', 'To:'],
  };
  for (const [name, [given, want]] of Object.entries(addresses))
    test(`domains: ${name}`, () => {
      const encoding = given.includes('\xff') ? 'latin1' : 'utf8';
      const done = completed(Buffer.from(`${given}\n`.replaceAll('\n', '\r\n'), encoding));
      assert.equal(
        done.toString(encoding).slice(0, want.length + want.split('\n').length + 1),
        `${want}\n`.replaceAll('\n', '\r\n'),
      );
    });

  test('whatever stands in a field, it stays one field with the same addresses', () => {
    const unit = fc.constantFrom(...'ab.@,<>()"\\ ü=?'.split(''), '\r\n ');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
        const given = Buffer.from(`To: x${text}\r\n`);
        const done = completed(given);
        const fields = headerFields(done);
        assert.deepEqual(
          fields.map(({ name }) => name),
          ['to', 'from', 'date', 'message-id'],
        );
        const before = parseAddressList(fieldValue(given, headerFields(given)[0]!), 1000);
        const after = parseAddressList(fieldValue(done, fields[0]!), 1000);
        assert.equal(after.ok, before.ok);
        if (!before.ok || !after.ok) return;
        const localParts = (list: typeof after.value) => list.map(({ address }) => address.replace(/@[^"]*$/, ''));
        assert.deepEqual(localParts(after.value), localParts(before.value));
        assert.ok(after.value.every(({ address }) => hasDomain(address)));
      }),
      { numRuns: 500 },
    );
  });

  test('so many addresses get a domain in all fields together, and no field in part', () => {
    const some = (count: number): string => Array.from({ length: count }, (_, i) => `u${i}`).join(',');
    const given = Buffer.from(`To: ${some(600)}\r\nCc: ${some(600)}\r\nReply-To: ${some(400)}\r\n`);
    const done = completed(given);
    const counts = headerFields(done).map((field) => fieldValue(done, field).split('@here.test').length - 1);
    assert.deepEqual(counts.slice(0, 3), [600, 0, 400]);
    assert.ok(done.toString().split('\r\n').every((line) => line.length < 3000)); // prettier-ignore
  });

  test('comments that become encoded-words make no header section of megabytes', () => {
    const given = Buffer.from(`To: ${'(ü)'.repeat(100_000)} ann\r\nCc: (ü) bob\r\n`);
    const done = completed(given);
    assert.ok(
      done.toString().startsWith(`${given.toString().split('\r\n')[0]}\r\nCc: (=?utf-8?B?w7w=?=) bob@here.test`),
    );
  });

  test('no name makes a field of its own, or another address', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (fullName) => {
        const done = completed(Buffer.alloc(0), { fullName });
        const fields = headerFields(done);
        assert.deepEqual(
          fields.map(({ name }) => name),
          ['from', 'date', 'message-id'],
        );
        const read = parseAddressList(fieldValue(done, fields[0]!), 5);
        assert.ok(read.ok, String(done));
        assert.deepEqual(
          read.value.map(({ address }) => address),
          ['ann@here.test'],
        );
      }),
    );
  });
});
