/** Keys for tests, and a verifier that reads signatures the way RFC 6376 §6 says: by their tags, not by how we write them. */

import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { headerEnd, headerFields } from '../../src/mail/header.ts';
import { BodyHash } from '../../src/mailauth/dkim/body-hash.ts';
import { type Canonicalization } from '../../src/mailauth/dkim/canonical-body.ts';
import { canonicalField } from '../../src/mailauth/dkim/canonical-header.ts';
import { selectFields } from '../../src/mailauth/dkim/header-selection.ts';

export interface TestKey {
  readonly pem: string;
  /** The text of its record. */
  readonly record: string;
  readonly publicKey: KeyObject;
}

export function testKey(type: 'rsa' | 'ed25519', bits = 2048): TestKey {
  const { privateKey, publicKey } =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: bits }) : generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  // RFC 8463 §4.2: the 32 octets of the key alone, which are the last of its SPKI.
  const value = type === 'rsa' ? spki : spki.subarray(-32);
  return {
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    record: `v=DKIM1; k=${type}; p=${value.toString('base64')}`,
    publicKey,
  };
}

/** The key of a record. */
export function keyOfRecord(record: string): KeyObject {
  const tags = tagsOf(record);
  const value = Buffer.from(tags.get('p') ?? '', 'base64');
  if (tags.get('k') === 'ed25519')
    return createPublicKey({ key: Buffer.concat([ED25519_SPKI, value]), format: 'der', type: 'spki' });
  try {
    return createPublicKey({ key: value, format: 'der', type: 'spki' });
  } catch {
    // What RFC 6376 §3.6.1 says, and few do.
    return createPublicKey({ key: value, format: 'der', type: 'pkcs1' });
  }
}

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export interface Verified {
  readonly result: 'pass' | 'bad body hash' | 'bad signature';
  readonly tags: ReadonlyMap<string, string>;
}

/** Each signature of a message, from the top. */
export function verifySignatures(message: Buffer, keyFor: (name: string) => KeyObject): readonly Verified[] {
  const end = headerEnd(message);
  const section = end === -1 ? message : message.subarray(0, end);
  const body = end === -1 ? Buffer.alloc(0) : message.subarray(end);
  const fields = headerFields(section);
  return fields
    .filter(({ name }) => name === 'dkim-signature')
    .map((field) => {
      const text = section.toString('latin1', field.start, field.end);
      const tags = tagsOf(text.slice(text.indexOf(':') + 1));
      const [header, bodyForm = 'simple'] = (tags.get('c') ?? 'simple').split('/') as [
        Canonicalization,
        Canonicalization?,
      ];
      const hash = new BodyHash(bodyForm);
      hash.push(body);
      if (hash.finish() !== tags.get('bh')) return { result: 'bad body hash', tags };
      const names = (tags.get('h') ?? '').toLowerCase().split(':');
      const chosen = selectFields(fields, names).map(({ start, end: to }) => section.toString('latin1', start, to));
      const unsigned = text.replace(/([;\s]b=)[^;]*/, '$1').replace(/\r\n$/, '');
      const octets = Buffer.from(
        [...chosen, unsigned].map((each) => canonicalField(each, header)).join('\r\n'),
        'latin1',
      );
      const key = keyFor(`${tags.get('s')}._domainkey.${tags.get('d')}`);
      const value = Buffer.from(tags.get('b') ?? '', 'base64');
      const good =
        tags.get('a') === 'rsa-sha256'
          ? verify('sha256', octets, key, value)
          : verify(null, createHash('sha256').update(octets).digest(), key, value);
      return { result: good ? 'pass' : 'bad signature', tags };
    });
}

/** Of a signature or a record, without white space. */
export function tagsOf(text: string): ReadonlyMap<string, string> {
  const tags = text.split(';').map((tag) => tag.replaceAll(/\s/g, ''));
  return new Map(
    tags.filter((tag) => tag !== '').map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );
}
