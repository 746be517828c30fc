import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addressPattern, anyAddress } from './address-pattern.ts';

describe('address patterns', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['example.com', 'ann@example.com', true],
    ['Example.COM', 'ann@example.com', true],
    ['example.com', 'ann@sub.example.com', false],
    ['example.com', 'ann@notexample.com', false],
    ['.example.com', 'ann@sub.example.com', true],
    ['.example.com', 'ann@example.com', false],
    ['*', 'ann@anything', true],
    ['*', '', true],
    ['<>', '', true],
    ['<>', 'ann@example.com', false],
    ['ann@example.com', 'Ann@example.com', true],
    ['ann@example.com', 'bob@example.com', false],
    ['*@example.com', 'bob@example.com', true],
    ['*@example.com', 'bob@sub.example.com', false],
    ['news-*@*.example.com', 'news-7@a.example.com', true],
    ['news-*@*.example.com', 'news@a.example.com', false],
    ['a*a', 'a', false],
    ['ab*ba', 'aba', false],
    ['example.com', '', false],
    ['[192.0.2.1]', 'ann@[192.0.2.1]', true],
    ['ann@example.com', '"a@b"@example.com', false],
  ];
  for (const [pattern, address, want] of cases)
    test(`${pattern} ${want ? 'matches' : 'does not match'} <${address}>`, () => {
      assert.equal(addressPattern(pattern)(address), want);
      assert.equal(anyAddress(['nobody.test', pattern])(address), want);
    });

  test('no pattern matches nothing', () => assert.equal(anyAddress([])('a@b.test'), false));

  test('many stars against a long text end at once', () => {
    const matches = addressPattern(`${'*a'.repeat(100)}*b`);
    assert.equal(matches('a'.repeat(10_000)), false);
  });

  test('a glob matches what it was made from', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z.@]{0,5}$/), { minLength: 2, maxLength: 5 }), (parts) => {
        assert.ok(addressPattern(parts.join('*'))(parts.join('xyz')));
      }),
    );
  });
});
