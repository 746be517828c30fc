import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { externalBinding, keyAuthorization, signedRequest } from './jws.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const decoded = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString());

test('a request carries the key until there is an account, and then the account', () => {
  const signing = { key: privateKey, account: undefined, nonce: 'n', url: 'https://ca.test/new' };
  const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' });
  const jws = signedRequest({ a: 1 }, signing);
  assert.deepEqual(decoded(jws.protected), {
    ...{ alg: 'ES256', nonce: 'n', url: 'https://ca.test/new' },
    jwk: { crv: 'P-256', kty: 'EC', x, y },
  });
  assert.deepEqual(decoded(jws.payload), { a: 1 });
  const signed = Buffer.from(`${jws.protected}.${jws.payload}`);
  const key = { key: createPublicKey(privateKey), dsaEncoding: 'ieee-p1363' } as const;
  assert.ok(verify('sha256', signed, key, Buffer.from(jws.signature, 'base64url')));
  const later = decoded(signedRequest({}, { ...signing, account: 'https://ca.test/1' }).protected);
  assert.deepEqual(later, { alg: 'ES256', nonce: 'n', url: 'https://ca.test/new', kid: 'https://ca.test/1' });
});

test('POST-as-GET has an empty payload, which is not an empty object', () => {
  assert.equal(signedRequest(undefined, { key: privateKey, account: 'a', nonce: 'n', url: 'u' }).payload, '');
});

test('the key of an external account signs ours', () => {
  const jws = externalBinding(privateKey, { keyId: 'k', key: 'c2VjcmV0' }, 'https://ca.test/new');
  assert.deepEqual(decoded(jws.protected), { alg: 'HS256', kid: 'k', url: 'https://ca.test/new' });
  assert.equal((decoded(jws.payload) as { kty: string }).kty, 'EC');
});

test('a key authorization is the token and the thumbprint of the key', () => {
  assert.match(keyAuthorization('token', privateKey), /^token\.[A-Za-z0-9_-]{43}$/);
});

test('another kind of key is a mistake', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  assert.throws(() => keyAuthorization('token', rsa), /no ECDSA key/);
});
