import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testKey } from '../../test/lib/dkim.ts';
import { readConfig } from '../config/config.ts';
import { type SigningSettings } from '../receive/signer.ts';
import { signingSettings } from './signing-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'signing-'));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'rsa.pem'), testKey('rsa').pem);
writeFileSync(join(folder, 'bad.pem'), 'no key');

const KEY = { domain: 'example.com', selector: 'a', file: 'rsa.pem' };

function settingsOf(signing: object): SigningSettings {
  const config = readConfig({ hostname: 'mx.example.com', signing }, folder);
  assert.ok(config.ok);
  return signingSettings(config.value.signing);
}

test('keys are read from their files', () => {
  const { keys, form, expireAfter } = settingsOf({
    keys: [KEY],
    expireAfter: '14d',
    canonicalization: 'simple/relaxed',
  });
  assert.deepEqual(
    keys.map(({ domain, selector, octets }) => [domain, selector, octets]),
    [['example.com', 'a', 256]],
  );
  assert.deepEqual(form, { canonicalization: { header: 'simple', body: 'relaxed' }, fields: [] });
  assert.equal(expireAfter, 14 * 86_400_000);
});

test('a rule has the fields of all beside its own', () => {
  const { rules } = settingsOf({
    fields: ['X-A'],
    rules: [{ senders: ['.example.com'], domains: ['example.com'], fields: ['X-B'] }],
  });
  assert.deepEqual(rules[0]?.fields, ['X-A', 'X-B']);
  assert.ok(rules[0]?.matches('ann@mail.example.com'));
  assert.ok(!rules[0]?.matches('ann@example.com'));
});

for (const [name, file, problem] of [
  ['that is not there', 'none.pem', /^Error: signing\.keys\[0\]\.file: .*none\.pem cannot be read: .*ENOENT/],
  [
    'without a key in it',
    'bad.pem',
    /^Error: signing\.keys\[0\]\.file: .*bad\.pem cannot be used: it is no private key .*; name the file/,
  ],
] as const)
  test(`a file ${name} is an error that says where and what`, () => {
    assert.throws(() => settingsOf({ keys: [{ ...KEY, file }] }), problem);
  });
