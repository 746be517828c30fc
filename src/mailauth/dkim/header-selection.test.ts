import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { headerFields } from '../../mail/header.ts';
import { canonicalField } from './canonical-header.ts';
import { NEVER_SIGNED, selectFields, signedNames } from './header-selection.ts';

const SEALED = ['from', 'reply-to', 'subject', 'to', 'cc', 'content-type'];

function namesFor(section: string, extra?: readonly string[]): readonly string[] {
  return signedNames(headerFields(Buffer.from(section)), extra);
}

describe('which fields are signed', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['none there: those a reader is shown are sealed', '', SEALED],
    ['From is there, and once more', 'From: a\r\n', ['from', ...SEALED]],
    ['From twice, and once more', 'From: a\r\nFROM: b\r\n', ['from', 'from', ...SEALED]],
    ['Date only if it is there', 'Date: x\r\n', [...SEALED, 'date', 'date']],
    ['Message-ID too', 'Message-ID: x\r\n', [...SEALED, 'message-id', 'message-id']],
    ['list fields as often as they are there', 'List-Id: a\r\nList-Id: b\r\n', [...SEALED, 'list-id', 'list-id']],
    ['Resent fields without a seal', 'Resent-From: a\r\n', [...SEALED, 'resent-from']],
    [
      'List-Unsubscribe and its Post are sealed (RFC 8058 §4)',
      'List-Unsubscribe: <a>\r\nList-Unsubscribe-Post: b\r\n',
      [...SEALED, 'list-unsubscribe', 'list-unsubscribe', 'list-unsubscribe-post', 'list-unsubscribe-post'],
    ],
    ['not what changes on the way', 'Received: x\r\nReturn-Path: <>\r\nDKIM-Signature: v=1\r\nBcc: a\r\n', SEALED],
    ['not what nobody named', 'X-Mailer: x\r\n', SEALED],
  ];
  for (const [name, section, names] of cases)
    test(name, () => assert.deepEqual([...namesFor(section)].sort(), [...names].sort()));

  test('from stands first', () => assert.equal(namesFor('To: a\r\nFrom: b\r\n')[0], 'from'));

  test('others by name, sealed if they are there, each once', () => {
    const extra = ['X-Mailer', 'X-Other', 'From', 'List-ID', 'Date'];
    assert.deepEqual(
      namesFor('X-Mailer: x\r\nList-Id: y\r\nDate: z\r\n', extra).filter((name) => !SEALED.includes(name)),
      ['date', 'date', 'x-mailer', 'x-mailer', 'list-id', 'list-id'],
    );
  });

  test('nothing that changes on the way, whatever the fields are (property)', () => {
    const name = fc.constantFrom(
      'From',
      'To',
      'Received',
      'Bcc',
      'List-Id',
      'X-A',
      'DKIM-Signature',
      'Date',
      'Return-Path',
    );
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const section = names.map((each) => `${each}: x\r\n`).join('');
        const signed = namesFor(section);
        assert.ok(signed.every((each) => !NEVER_SIGNED.has(each)));
        assert.ok(signed.includes('from'));
      }),
    );
  });
});

describe('which field a name stands for', () => {
  const section = Buffer.from('A: 1\r\nB: 1\r\nA: 2\r\na : 3\r\n');
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['the lowest first', ['a'], 'a : 3\r\n'],
    ['upwards from there', ['a', 'a', 'a'], 'a : 3\r\nA: 2\r\nA: 1\r\n'],
    ['a name too many stands for nothing', ['b', 'b', 'a'], 'B: 1\r\na : 3\r\n'],
    ['a name without a field too', ['c'], ''],
    ['in the order of the names', ['b', 'a'], 'B: 1\r\na : 3\r\n'],
  ];
  for (const [name, names, wanted] of cases)
    test(name, () => {
      const chosen = selectFields(headerFields(section), names);
      assert.equal(chosen.map(({ start, end }) => section.toString('latin1', start, end)).join(''), wanted);
    });
});

describe('a field as it is signed', () => {
  const cases: readonly (readonly [name: string, field: string, relaxed: string])[] = [
    ['RFC 6376 §3.4.5, the first', 'A: X\r\n', 'a:X'],
    ['RFC 6376 §3.4.5, the second', 'B : Y\t\r\n\tZ  \r\n', 'b:Y Z'],
    ['folded with several spaces', 'Subject: a\r\n   b\r\n', 'subject:a b'],
    ['folded behind the colon', 'Subject:\r\n a\r\n', 'subject:a'],
    ['without a value', 'Subject:\r\n', 'subject:'],
    ['with white space only', 'Subject: \t\r\n \r\n', 'subject:'],
    ['without a line end', 'Subject: a ', 'subject:a'],
    ['with octets above 127', 'Subject:  \u00c3\u00bc \u00a0\r\n', 'subject:\u00c3\u00bc \u00a0'],
    ['with colons', 'X: a : b:c\r\n', 'x:a : b:c'],
    ['with other controls', 'X: a\u000b \u000cb\r\n', 'x:a\u000b \u000cb'],
  ];
  for (const [name, field, relaxed] of cases)
    test(name, () => {
      assert.equal(canonicalField(field, 'relaxed'), relaxed);
      assert.equal(canonicalField(field, 'simple'), field.replace(/\r\n$/, ''));
    });

  test('relaxed is the same however it is folded (property)', () => {
    const words = fc.array(fc.stringMatching(/^[a-z\u00e0-\u00ff;=.]{1,8}$/), { minLength: 1 });
    const gaps = fc.array(fc.constantFrom(' ', '\t', '  ', '\r\n ', ' \r\n\t'), { minLength: 1 });
    fc.assert(
      fc.property(words, gaps, (some, between) => {
        const value = some.map((word, i) => `${word}${between[i % between.length]}`).join('');
        assert.equal(canonicalField(`X-Y:${value}\r\n`, 'relaxed'), `x-y:${some.join(' ')}`);
      }),
    );
  });
});
