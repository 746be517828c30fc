import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pairOf, readCertificates, selfSigned } from './certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
after(() => rmSync(folder, { recursive: true }));
const pair = (certificate: string, key: string) =>
  pairOf('tls', { certificate: join(folder, certificate), key: join(folder, key) });
const NOW = Date.UTC(2026, 10, 23);

test('a self-made certificate names the host, fits its key, and is kept', async () => {
  const made = await selfSigned(join(folder, 'a'), 'mx.example.test', NOW);
  const certificate = new X509Certificate(made.certificate);
  assert.equal(certificate.checkHost('mx.example.test'), 'mx.example.test');
  assert.deepEqual(await selfSigned(join(folder, 'a'), 'mx.example.test', NOW), made);
  assert.equal(statSync(join(folder, 'a', 'key.pem')).mode & 0o777, 0o600);
  assert.deepEqual(await readCertificates(pair(join('a', 'certificate.pem'), join('a', 'key.pem'))), made);
});

test('another host name gets another certificate', async () => {
  const first = await selfSigned(join(folder, 'b'), 'a.test', NOW);
  assert.notDeepEqual(await selfSigned(join(folder, 'b'), 'b.test', NOW), first);
});

describe('what cannot be used is refused with its option, its file and what to do:', () => {
  before(async () => {
    await selfSigned(join(folder, 'c'), 'c.test', NOW);
    await selfSigned(join(folder, 'd'), 'd.test', NOW);
    writeFileSync(join(folder, 'junk.pem'), 'no certificate');
    const key = createPrivateKey(readFileSync(join(folder, 'c/key.pem')));
    const closed = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
    writeFileSync(join(folder, 'closed.pem'), closed);
  });

  const cases: readonly (readonly [name: string, files: readonly [string, string], want: string])[] = [
    [
      'a certificate that is not there',
      ['none.pem', 'c/key.pem'],
      'tls.certificate: <folder>/none.pem cannot be read: there is no such file (ENOENT); write its right name, or make it',
    ],
    [
      'a key that is a folder',
      ['c/certificate.pem', 'c'],
      'tls.key: <folder>/c cannot be read: it is a folder (EISDIR); name the file in it',
    ],
    [
      'a certificate that is none',
      ['junk.pem', 'c/key.pem'],
      'tls.certificate: <folder>/junk.pem holds no certificate in PEM; name the file that does',
    ],
    [
      'a key that is none',
      ['c/certificate.pem', 'junk.pem'],
      'tls.key: <folder>/junk.pem holds no private key in PEM; name the file that does',
    ],
    [
      'a key with a passphrase',
      ['c/certificate.pem', 'closed.pem'],
      'tls.key: <folder>/closed.pem has a passphrase, and nobody could type it in at a start; write one without: openssl pkey -in <folder>/closed.pem -out <new file>',
    ],
    [
      'a key of another certificate',
      ['c/certificate.pem', 'd/key.pem'],
      'tls.key: <folder>/d/key.pem belongs to another certificate than <folder>/c/certificate.pem; name the two that belong together',
    ],
  ];
  for (const [name, [certificate, key], want] of cases)
    test(name, () =>
      assert.rejects(readCertificates(pair(certificate, key)), { message: want.replaceAll('<folder>', folder) }),
    );
});
