import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { testKey } from '../../test/lib/dkim.ts';
import { type KeySource, readSigningKey, SigningKeys } from './signing-keys.ts';

const RSA = testKey('rsa').pem;
const ED25519 = testKey('ed25519').pem;

function source(changes: Partial<KeySource> = {}): KeySource {
  return { domain: 'example.com', selector: 'a', algorithm: 'rsa-sha256', privateKey: RSA, ...changes };
}

describe('a key', () => {
  test('says how many octets its signatures have', () => {
    const octetsOf = (changes: Partial<KeySource>): unknown => {
      const key = readSigningKey(source(changes));
      return key.ok ? key.value.octets : key.reason;
    };
    assert.equal(octetsOf({}), 256);
    assert.equal(octetsOf({ privateKey: testKey('rsa', 1024).pem }), 128);
    assert.equal(octetsOf({ privateKey: ED25519, algorithm: 'ed25519-sha256' }), 64);
  });

  const small = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey;
  const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  const pemOf = (key: typeof small): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
  const locked = small.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }) as string;
  const wrong: readonly (readonly [string, Partial<KeySource>, RegExp])[] = [
    ['nothing', { privateKey: '' }, /no private key in PEM form/],
    ['another text', { privateKey: 'p=abc' }, /no private key in PEM form/],
    ['a key with a passphrase', { privateKey: locked }, /without a passphrase/],
    ['an RSA key below 1024 bits (RFC 8301 §3.2)', { privateKey: pemOf(small) }, /512 bits/],
    ['a key of another kind', { privateKey: pemOf(other) }, /a key for ec, and rsa-sha256 needs one for rsa/],
    ['an Ed25519 key said to be for RSA', { privateKey: ED25519 }, /a key for ed25519/],
    ['an RSA key said to be for Ed25519', { algorithm: 'ed25519-sha256' }, /a key for rsa, and ed25519-sha256 needs/],
  ];
  for (const [name, changes, reason] of wrong)
    test(`${name} is none`, () => {
      const key = readSigningKey(source(changes));
      assert.match(key.ok ? '' : key.reason, reason);
    });
});

describe('the keys of a domain', () => {
  const configured = readSigningKey(source());
  assert.ok(configured.ok);
  const names = (keys: SigningKeys, domain: string): readonly string[] =>
    keys.of(domain).map(({ selector }) => selector);

  test('are those of the configuration and those of the directory', () => {
    const keys = new SigningKeys([configured.value], {
      signingKeys: (domain) => (domain === 'other.com' ? [] : [source({ selector: 'b', domain })]),
    });
    assert.deepEqual(names(keys, 'example.com'), ['a', 'b']);
    assert.deepEqual(names(keys, 'third.com'), ['b']);
    assert.deepEqual(names(keys, 'other.com'), []);
    assert.deepEqual(names(new SigningKeys([configured.value]), 'other.com'), []);
  });

  test('are read once, and again when they have changed', () => {
    let stored = source({ selector: 'b' });
    const keys = new SigningKeys([], { signingKeys: () => [{ ...stored }] });
    const [first] = keys.of('example.com');
    assert.equal(keys.of('example.com')[0], first);
    stored = source({ selector: 'b', privateKey: testKey('rsa', 1024).pem });
    assert.equal(keys.of('example.com')[0]?.octets, 128);
  });

  test('that cannot be used raise an error that names the key and not what is in it', () => {
    const keys = new SigningKeys([], { signingKeys: () => [source({ privateKey: 'secret' })] });
    assert.throws(() => keys.of('example.com'), /^Error: the key a\._domainkey\.example\.com cannot be used: it is no/);
  });
});
