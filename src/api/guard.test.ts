import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { denialOf } from './guard.ts';

const ACCESS = { host: '127.0.0.1', names: ['mail.example.com'] };
const JSON_TYPE = { 'content-type': 'application/json' };

describe('the Host header', () => {
  const cases: readonly (readonly [host: string | undefined, passes: boolean])[] = [
    ['localhost', true],
    ['LOCALHOST:8025', true],
    ['localhost.', true],
    ['127.0.0.1:8025', true],
    ['127.8.8.8', true],
    ['[::1]:8025', true],
    ['mail.example.com', true],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['192.0.2.1', false],
    ['a@localhost', false],
    ['localhost/', false],
    ['', false],
    [undefined, false],
  ];
  for (const [host, passes] of cases)
    test(`${host ?? 'none'} ${passes ? 'passes' : 'is refused'}`, () => {
      const denial = denialOf({ method: 'GET', headers: { host } }, ACCESS);
      assert.equal(denial === undefined, passes);
    });

  test('any address, when every address is listened on', () => {
    const request = { method: 'GET', headers: { host: '192.0.2.1:8025' } };
    assert.equal(denialOf(request, { host: '::', names: [] }), undefined);
    assert.equal(denialOf({ ...request, headers: { host: 'evil.example' } }, { host: '::', names: [] })?.code, 403);
  });
});

describe('a request that changes something', () => {
  const cases: readonly (readonly [name: string, headers: Record<string, string>, want: number | undefined])[] = [
    ['as JSON', JSON_TYPE, undefined],
    ['as JSON with a charset', { 'content-type': 'Application/JSON; charset=utf-8' }, undefined],
    ['without a type', {}, 415],
    ['as a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['as text that is JSON', { 'content-type': 'text/plain;application/json' }, 415],
    ['from our own page', { ...JSON_TYPE, origin: 'http://localhost:8025' }, undefined],
    ['from another port', { ...JSON_TYPE, origin: 'http://localhost:3000' }, 403],
    ['from another site', { ...JSON_TYPE, origin: 'http://evil.example' }, 403],
    ['from a sandboxed frame', { ...JSON_TYPE, origin: 'null' }, 403],
    ['of which the browser says it is foreign', { ...JSON_TYPE, 'sec-fetch-site': 'cross-site' }, 403],
    ['of which the browser says it is ours', { ...JSON_TYPE, 'sec-fetch-site': 'same-origin' }, undefined],
  ];
  for (const [name, headers, want] of cases)
    test(name, () => {
      const denial = denialOf({ method: 'POST', headers: { host: 'localhost:8025', ...headers } }, ACCESS);
      assert.equal(denial?.code, want);
    });
  test('by a method that nobody knows is one too', () => {
    assert.equal(denialOf({ method: 'BREW', headers: { host: 'localhost' } }, ACCESS)?.code, 415);
  });
});
