import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseEnvid, parseNotify, parseOrcpt, parseRet } from './dsn-parameters.ts';

describe('ORCPT', () => {
  const good: readonly (readonly [string, string])[] = [
    ['an address', 'rfc822;ann@example.com'],
    ['encoded octets are kept as they came', 'rfc822;ann+2Btag@example.com'],
    ['the type in any case', 'RFC822;ann@example.com'],
    ['a type of its own', 'x400;/C=de/'.replace('=', '+3D')],
    ['an encoded UTF-8 address', 'utf-8;gr\\x{FC}n@example.com'],
    ['a raw UTF-8 address', 'utf-8;grün@example.com'],
    ['a raw UTF-8 address with a plus', 'utf-8;grün+tag@example.com'],
    ['500 octets', `rfc822;${'a'.repeat(493)}`],
  ];
  for (const [name, text] of good) test(name, () => assert.deepEqual(parseOrcpt(text), { ok: true, value: text }));

  const bad: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['no type', ';ann@example.com'],
    ['no semicolon', 'ann@example.com'],
    ['no address', 'rfc822;'],
    ['a type that is no atom', 'rfc 822;a@b'],
    ['not xtext', 'rfc822;a=b'],
    ['an encoded line end', 'rfc822;a+0D+0ASubject:+20x'],
    ['raw non-ASCII of another type', 'rfc822;grün@example.com'],
    ['a UTF-8 address that is neither encoded nor a mailbox', 'utf-8;a+b'],
    ['an embedded line end', 'utf-8;a\\x{0D}\\x{0A}b@c'],
    ['501 octets', `rfc822;${'a'.repeat(494)}`],
    ['501 octets in fewer characters', `utf-8;${'é'.repeat(248)}`],
  ];
  for (const [name, text] of bad) test(`${name} is refused`, () => assert.equal(parseOrcpt(text).ok, false));
});

describe('NOTIFY', () => {
  const good: readonly (readonly [string, readonly string[]])[] = [
    ['NEVER', ['NEVER']],
    ['SUCCESS', ['SUCCESS']],
    ['success,Failure,DELAY', ['SUCCESS', 'FAILURE', 'DELAY']],
    ['DELAY,FAILURE', ['DELAY', 'FAILURE']],
  ];
  for (const [text, value] of good) test(text, () => assert.deepEqual(parseNotify(text), { ok: true, value }));

  const bad = ['', 'NEVER,SUCCESS', 'SUCCESS,NEVER', 'NEVER,NEVER', 'DELAY,delay', 'SUCCESS,', ',', 'ALWAYS'];
  for (const text of [...bad, 'SUCCESS FAILURE', '__proto__', 'SUCCESS,,DELAY', 'ſUCCESS', ','.repeat(1_000_000)])
    test(`${JSON.stringify(text.slice(0, 30))} is refused`, () => assert.equal(parseNotify(text).ok, false));
});

describe('ENVID', () => {
  test('is kept octet for octet', () =>
    assert.deepEqual(parseEnvid('QQ314159+20x'), { ok: true, value: 'QQ314159+20x' }));
  test('may have 100 octets', () => assert.equal(parseEnvid('a'.repeat(100)).ok, true));
  for (const text of ['', 'a'.repeat(101), 'a b', 'a=b', 'a+0A', '+C3+A9', 'é', '+7F'])
    test(`${JSON.stringify(text.slice(0, 20))} is refused`, () => assert.equal(parseEnvid(text).ok, false));
});

test('RET is FULL or HDRS in any case', () => {
  assert.deepEqual(parseRet('full'), { ok: true, value: 'FULL' });
  assert.deepEqual(parseRet('HDRS'), { ok: true, value: 'HDRS' });
  for (const text of ['', 'FUL', 'FULLL', 'constructor', 'ﬀul', 'HDRſ']) assert.equal(parseRet(text).ok, false);
});

test('no text makes them throw, and what passes has no control characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const parse of [parseOrcpt, parseEnvid, parseNotify, parseRet]) {
        const result = parse(text);
        if (result.ok) assert.doesNotMatch(String(result.value), /\p{Cc}/u);
      }
    }),
  );
});
