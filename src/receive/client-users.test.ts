import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { makeAuthority } from '../../test/lib/certificates.ts';
import { type ClientUsers, userOf, usersOf } from './client-users.ts';

const authority = makeAuthority();
const issued = (commonName: string, ...names: readonly string[]): X509Certificate =>
  new X509Certificate(authority.issueUser(commonName, ...names).cert);
const by = (from: ClientUsers['from']): ClientUsers => ({ from, byFingerprint: new Map() });

describe('whom a certificate logs in', () => {
  const cases: readonly (readonly [title: string, names: readonly string[], users: readonly string[]])[] = [
    ['its address', ['email:ann@a.test', 'DNS:a.test'], ['ann@a.test']],
    [
      'all its addresses, each once',
      ['email:ann@a.test', 'email:b@a.test', 'email:ann@a.test'],
      ['ann@a.test', 'b@a.test'],
    ],
    ['nobody without one', ['DNS:ann.test', 'URI:mailto:ann@a.test'], []],
    ['nobody by a name that only looks like several', ['URI:x:y, email:boss@a.test'], []],
    ['nobody by an address that is hidden in another kind', ['otherName:1.2.3.4;UTF8:x, email:boss@a.test'], []],
  ];
  for (const [title, names, users] of cases)
    test(title, () => assert.deepEqual(usersOf(issued('Ann', ...names), by('address')), users));

  test('its common name', () => {
    assert.deepEqual(usersOf(issued('ann', 'email:x@a.test'), by('commonName')), ['ann']);
  });
  test('nobody by one of two common names', () => {
    assert.deepEqual(usersOf(issued('ann/CN=boss'), by('commonName')), []);
  });
  test('the user that is listed, whatever it says, and nobody else', () => {
    const certificate = issued('boss', 'email:boss@a.test');
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    for (const from of ['address', 'commonName', undefined] as const) {
      assert.deepEqual(usersOf(certificate, { from, byFingerprint: new Map([[fingerprint, 'ann']]) }), ['ann']);
      assert.deepEqual(usersOf(issued('eve'), { from: undefined, byFingerprint: new Map([[fingerprint, 'ann']]) }), []);
    }
  });
});

describe('who logs in', () => {
  const one = issued('Ann', 'email:ann@a.test');
  const two = issued('Ann', 'email:ann@a.test', 'email:boss@a.test');

  test('whom the certificate names, where nobody is asked for', () => {
    assert.equal(userOf(one, by('address'), undefined), 'ann@a.test');
  });
  test('nobody, where it names several', () => assert.equal(userOf(two, by('address'), undefined), undefined));
  test('the one of several that is asked for', () => {
    assert.equal(userOf(two, by('address'), 'boss@a.test'), 'boss@a.test');
  });
  test('nobody that it does not name', () => {
    assert.equal(userOf(one, by('address'), 'boss@a.test'), undefined);
    assert.equal(userOf(one, by('address'), 'Ann'), undefined);
    assert.equal(userOf(one, by('address'), ''), undefined);
  });
  test('nobody without a certificate, or without rules', () => {
    assert.equal(userOf(undefined, by('address'), 'ann@a.test'), undefined);
    assert.equal(userOf(one, undefined, 'ann@a.test'), undefined);
    assert.equal(userOf(one, by(undefined), 'ann@a.test'), undefined);
  });
});
