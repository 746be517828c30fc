import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HeaderSection } from '../mail/header-section.ts';
import { editHeader, type HeaderFacts } from './header-edits.ts';

function edited(text: string, trusted: 'trusted' | 'untrusted' = 'trusted'): HeaderFacts {
  const answer = editHeader(new HeaderSection(Buffer.from(text)), trusted);
  assert.ok(!('code' in answer));
  return answer.facts;
}

test('an ordinary header section is kept octet for octet', () => {
  const text = 'Received: by a\r\nSubject:  Hello\r\n  there\r\nX-Odd : kept\r\n\r\n';
  assert.equal(edited(text).octets.toString(), text);
});

test('a Return-Path is removed wherever it stands', () => {
  const facts = edited('A: 1\r\nReturn-Path: <x@y>\r\nB: 2\r\nreturn-path:\r\n <z@y>\r\n\r\n');
  assert.equal(facts.octets.toString(), 'A: 1\r\nB: 2\r\n\r\n');
});

test('hops are counted', () => assert.equal(edited('Received: a\r\nReceived: b\r\nX: y\r\n\r\n').hops, 2));

test('Message-ID and Subject are quoted, and bounded', () => {
  const facts = edited(`Message-ID: <1@a>\r\nSubject: ${'x'.repeat(500)}\r\n\r\n`);
  assert.equal(facts.messageIdField, '<1@a>');
  assert.equal(facts.subject.length, 200);
});

describe('TLS-Required', () => {
  for (const [text, want] of [
    ['TLS-Required: No', true],
    ['tls-required:  NO ', true],
    ['TLS-Required: Yes', false],
    ['TLS-Required: No, really', false],
    ['X-TLS-Required: No', false],
    ['Subject: TLS-Required: No', false],
  ] as const)
    test(`${text}: ${want ? 'optional' : 'as usual'}`, () => {
      assert.equal(edited(`${text}\r\n\r\n`).tlsOptional, want);
      assert.equal(edited(`${text}\r\n\r\n`).octets.toString(), `${text}\r\n\r\n`);
    });
});

describe('option fields', () => {
  const text = 'X-Postrider-Tenant: acme\r\nX-Postrider-Campaign: spring\r\nX-Postrider-Class: bulk\r\nA: b\r\n\r\n';
  test('of a trusted client are obeyed and removed', () => {
    const facts = edited(text);
    assert.deepEqual(facts.options, { tenant: 'acme', campaign: 'spring', class: 'bulk' });
    assert.equal(facts.octets.toString(), 'A: b\r\n\r\n');
  });
  test('of anybody else are removed and not obeyed', () => {
    const facts = edited(text, 'untrusted');
    assert.deepEqual(facts.options, {});
    assert.equal(facts.octets.toString(), 'A: b\r\n\r\n');
  });
  const refused: readonly (readonly [string, string])[] = [
    ['an option that stands twice', 'X-Postrider-Tags: a\r\nX-Postrider-Tags: b'],
    ['a tracking id that is too long to be kept whole', `X-Postrider-Tracking-Id: ${'x'.repeat(300)}`],
    ['a time that is none', 'X-Postrider-Send-At: tomorrow'],
    ['a class that does not exist', 'X-Postrider-Class: urgent'],
    ['a tenant that is too long for a key', `X-Postrider-Tenant: ${'x'.repeat(129)}`],
    ['a campaign that is too long once it is encoded', `X-Postrider-Campaign: ${'ü'.repeat(30)}`],
  ];
  for (const [name, line] of refused)
    test(`${name} refuses the message`, () => {
      const answer = editHeader(new HeaderSection(Buffer.from(`${line}\r\n\r\n`)), 'trusted');
      assert.ok('code' in answer && answer.code === 550);
    });
});
