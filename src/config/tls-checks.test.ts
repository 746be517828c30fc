import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConfig } from './config.ts';

const smtp = { name: 'smtp', port: 25 };

function problemsOf(written: object): readonly string[] {
  const read = readConfig({ hostname: 'mx.test', listeners: [smtp], ...written }, '/etc/postrider');
  return read.ok ? [] : read.problems.map(({ path, fix }) => `${path}: ${fix}`);
}

describe('options of TLS that do not go together', () => {
  const cases: readonly (readonly [title: string, written: object, problem: RegExp | undefined])[] = [
    ['nothing written', {}, undefined],
    ['clients are asked, and nobody vouches', { listeners: [{ ...smtp, clientCertificates: true }] }, /clientCa/],
    [
      'clients are asked, and somebody vouches',
      { listeners: [{ ...smtp, clientCertificates: true }], tls: { clientCa: 'ca.pem' } },
      undefined,
    ],
    [
      'logins by certificate, and nobody is asked for one',
      { listeners: [{ ...smtp, auth: 'offered' }], tls: { clientCa: 'ca.pem', clientUser: 'address' } },
      /^tls\.clientUser: write clientCertificates/,
    ],
    [
      'logins by certificate where nobody logs in',
      {
        listeners: [{ ...smtp, clientCertificates: true }],
        tls: { clientCa: 'ca.pem', clientUsers: [{ fingerprint: 'ab'.repeat(32), user: 'ann' }] },
      },
      /^tls\.clientUsers: write clientCertificates/,
    ],
    [
      'logins by certificate',
      {
        listeners: [{ ...smtp, clientCertificates: true, auth: 'offered' }],
        tls: { clientCa: 'ca.pem', clientUsers: [{ fingerprint: 'AB:'.repeat(31) + 'AB', user: 'ann' }] },
      },
      undefined,
    ],
    [
      'one certificate of two users',
      {
        listeners: [{ ...smtp, clientCertificates: true, auth: 'offered' }],
        tls: {
          clientCa: 'ca.pem',
          clientUsers: [
            { fingerprint: 'ab'.repeat(32), user: 'ann' },
            { fingerprint: 'AB:'.repeat(31) + 'AB', user: 'bob' },
          ],
        },
      },
      /^tls\.clientUsers\[1\]\.fingerprint: give each/,
    ],
    ['a fingerprint that is none', { tls: { clientUsers: [{ fingerprint: 'abc', user: 'ann' }] } }, /fingerprint/],
    ['TLS 1.2 alone, and 1.3 at least', { tls: { profile: 'tls12', minVersion: 'TLSv1.3' } }, /^tls\.profile/],
    [
      'the same of one listener',
      { listeners: [{ ...smtp, tlsProfile: 'tls12' }], tls: { minVersion: 'TLSv1.3' } },
      /^listeners\[0\]\.tlsProfile/,
    ],
    ['ACME without agreeing', { acme: { enabled: true } }, /^acme\.agreeToTerms: read the terms/],
    ['ACME', { acme: { enabled: true, agreeToTerms: true } }, undefined],
    [
      'half an external account',
      { acme: { enabled: true, agreeToTerms: true, externalKeyId: 'k' } },
      /^acme\.externalKeyFile/,
    ],
    ['a directory in clear text', { acme: { directory: 'http://ca.test' } }, /^acme\.directory/],
    [
      'a certificate without a key',
      { tls: { certificates: [{ certificate: 'a.pem' }] } },
      /^tls\.certificates\[0\]\.key/,
    ],
    [
      'a name that is none',
      { tls: { certificates: [{ names: ['a b'], certificate: 'a.pem', key: 'a.key' }] } },
      /^tls\.certificates\[0\]\.names\[0\]/,
    ],
    [
      'no self-made one, but one of several',
      { tls: { selfSigned: false, certificates: [{ certificate: 'a', key: 'b' }] } },
      undefined,
    ],
  ];
  for (const [title, written, problem] of cases)
    test(title, () => {
      const problems = problemsOf(written);
      if (problem === undefined) assert.deepEqual(problems, []);
      else assert.match(problems[0] ?? '', problem);
    });
});

test('files are beside the configuration, and the certificate of ACME is for the host', () => {
  const tls = { clientCa: 'ca.pem', certificates: [{ certificate: 'a.pem', key: '/k/a.key' }] };
  const read = readConfig({ hostname: 'mx.test', listeners: [smtp], tls }, '/etc/postrider');
  assert.ok(read.ok);
  assert.equal(read.value.tls.clientCa, '/etc/postrider/ca.pem');
  assert.equal(read.value.tls.certificates[0]?.certificate, '/etc/postrider/a.pem');
  assert.equal(read.value.tls.certificates[0]?.key, '/k/a.key');
  assert.deepEqual(read.value.acme.names, ['mx.test']);
});
