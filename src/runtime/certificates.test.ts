import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readCertificates, selfSigned } from './certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
after(() => rmSync(folder, { recursive: true }));
const NOW = Date.UTC(2026, 10, 23);

test('a self-made certificate names the host, fits its key, and is kept', async () => {
  const made = await selfSigned(join(folder, 'a'), 'mx.example.test', NOW);
  const certificate = new X509Certificate(made.certificate);
  assert.equal(certificate.checkHost('mx.example.test'), 'mx.example.test');
  assert.deepEqual(await selfSigned(join(folder, 'a'), 'mx.example.test', NOW), made);
  assert.equal(statSync(join(folder, 'a', 'key.pem')).mode & 0o777, 0o600);
  const files = ['certificate.pem', 'key.pem'].map((name) => join(folder, 'a', name)) as [string, string];
  assert.deepEqual(await readCertificates(...files), made);
});

test('another host name gets another certificate', async () => {
  const first = await selfSigned(join(folder, 'b'), 'a.test', NOW);
  assert.notDeepEqual(await selfSigned(join(folder, 'b'), 'b.test', NOW), first);
});

test('what cannot be used is refused with the names of the files', async () => {
  const broken = join(folder, 'broken.pem');
  writeFileSync(broken, 'no certificate');
  await assert.rejects(readCertificates(broken, broken), /broken\.pem.*do not work together/);
  await assert.rejects(readCertificates(join(folder, 'none.pem'), broken), /none\.pem cannot be read: ENOENT/);
});

test('a key that belongs to another certificate is refused', async () => {
  await selfSigned(join(folder, 'c'), 'c.test', NOW);
  await selfSigned(join(folder, 'd'), 'd.test', NOW);
  await assert.rejects(
    readCertificates(join(folder, 'c', 'certificate.pem'), join(folder, 'd', 'key.pem')),
    /do not work together/,
  );
});
