import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { certify } from '../../test/lib/pki.ts';
import { tlsaOf } from './tlsa.ts';

test('a certificate, its private key and its public key have one record', async () => {
  const { certificate, key } = await certify({ subject: 'mx.test', names: ['mx.test'] });
  const record = tlsaOf(certificate);
  assert.match(record, /^3 1 1 [0-9a-f]{64}$/);
  assert.equal(tlsaOf(createPrivateKey(key)), record);
  assert.equal(tlsaOf(createPublicKey(key)), record);
});
