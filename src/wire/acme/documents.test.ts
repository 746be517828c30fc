import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readAuthorization, readDirectory, readOrder, readProblem, readRenewalInfo } from './documents.ts';

const URL = 'https://ca.test/x';
const DIRECTORY = { newNonce: URL, newAccount: URL, newOrder: URL };

describe('what an ACME server says', () => {
  test('a directory', () => {
    const meta = { externalAccountRequired: true, termsOfService: 'https://ca.test/terms' };
    assert.deepEqual(readDirectory({ ...DIRECTORY, renewalInfo: URL, meta }), {
      ok: true,
      value: {
        ...DIRECTORY,
        renewalInfo: URL,
        termsOfService: 'https://ca.test/terms',
        needsExternalAccount: true,
      },
    });
  });

  const refused = [
    ['a directory without an address', readDirectory({ ...DIRECTORY, newOrder: undefined })],
    ['a directory in clear text', readDirectory({ ...DIRECTORY, newOrder: 'http://ca.test/x' })],
    ['a directory of files', readDirectory({ ...DIRECTORY, newOrder: 'file:///etc/passwd' })],
    ['an order without authorizations', readOrder({ status: 'pending', finalize: URL, authorizations: [] })],
    ['an order with a bad one', readOrder({ status: 'pending', finalize: URL, authorizations: [URL, 4] })],
    ['an order without a status', readOrder({ finalize: URL, authorizations: [URL] })],
    ['an authorization of nothing', readAuthorization({ status: 'pending', challenges: [] })],
    [
      'a window that ends before it begins',
      readRenewalInfo({ suggestedWindow: { start: '2026-02-01', end: '2026-01-01' } }),
    ],
    ['a window without dates', readRenewalInfo({ suggestedWindow: { start: 'soon', end: 'later' } })],
  ] as const;
  for (const [title, found] of refused) test(`${title} is refused`, () => assert.equal(found.ok, false));

  test('a token that could be a path is no challenge', () => {
    const challenges = ['../../../../etc/passwd', 'short', 'a'.repeat(20), 'a/b'.repeat(10)].map((token) => ({
      ...{ type: 'http-01', url: URL, token },
    }));
    const found = readAuthorization({ status: 'pending', identifier: { type: 'dns', value: 'a.test' }, challenges });
    assert.ok(found.ok);
    assert.deepEqual(
      found.value.challenges.map(({ token }) => token),
      ['a'.repeat(20)],
    );
  });

  test('a problem, in one line', () => {
    const found = readProblem({
      type: 'urn:ietf:params:acme:error:rateLimited',
      detail: 'too many\r\ncertificates',
      subproblems: [{ type: 'urn:ietf:params:acme:error:dns', detail: 'a.test' }],
    });
    assert.deepEqual(found, { type: 'rateLimited', text: 'rateLimited: too many  certificates: dns: a.test' });
  });

  test('any JSON at all is answered, and a problem stays short', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        for (const read of [readDirectory, readOrder, readAuthorization, readRenewalInfo]) void read(json);
        assert.ok(readProblem(json).text.length <= 500);
      }),
    );
  });
});
