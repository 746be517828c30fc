/** The TLSA record of a key, `3 1 1`: DANE-EE, its SubjectPublicKeyInfo, SHA-256 (RFC 7672 §3.1). */

import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { publicKeyInfoOf } from '../tlspolicy/certificate.ts';

export function tlsaOf(from: X509Certificate | KeyObject): string {
  const info = from instanceof X509Certificate ? publicKeyInfoOf(from.raw) : spkiOf(from);
  return `3 1 1 ${createHash('sha256')
    .update(info ?? '')
    .digest('hex')}`;
}

function spkiOf(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
}
