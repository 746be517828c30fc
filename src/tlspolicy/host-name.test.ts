import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { type PeerCertificate } from 'node:tls';
import { type Authority, makeAuthority } from '../../test/lib/certificates.ts';
import { checkHostName } from './host-name.ts';

interface Case {
  readonly host: string;
  /** The alternative names. */
  readonly names: readonly string[];
}

describe('a certificate with a common name', () => {
  let authority: Authority;
  before(() => (authority = makeAuthority()));

  function check({ host, names }: Case): Error | undefined {
    const { cert } = authority.issueUser(host, ...names);
    return checkHostName(host, new X509Certificate(cert).toLegacyObject() as unknown as PeerCertificate);
  }

  const good: readonly Case[] = [
    { host: 'mx.b.test', names: ['DNS:mx.b.test'] },
    { host: 'mx.b.test', names: ['DNS:MX.B.TEST'] },
    { host: 'mx.b.test', names: ['email:a@b.test', 'DNS:a.test', 'DNS:*.b.test'] },
    { host: 'mx.b.test', names: ['URI:http://a.test/, b', 'DNS:mx.b.test'] },
    { host: '192.0.2.1', names: ['IP:192.0.2.1'] },
    { host: '2001:db8::1', names: ['DNS:mx.b.test', 'IP:2001:db8::1'] },
  ];
  for (const each of good)
    test(`is for ${each.host} by ${each.names.join(' and ')}`, () => assert.equal(check(each), undefined));

  const bad: readonly Case[] = [
    { host: 'mx.b.test', names: [] },
    { host: 'mx.b.test', names: ['email:a@b.test'] },
    { host: 'mx.b.test', names: ['IP:192.0.2.1'] },
    { host: 'mx.b.test', names: ['URI:http://a.test/'] },
    { host: 'mx.b.test', names: ['URI:http://a.test/, DNS:mx.b.test'] },
    { host: 'mx.b.test', names: ['DNS:a.test'] },
    { host: 'mx.b.test', names: ['DNS:*.test'] },
    { host: '192.0.2.1', names: ['DNS:192.0.2.1'] },
    { host: '192.0.2.1', names: ['email:a@b.test'] },
    { host: '192.0.2.1', names: ['IP:192.0.2.2'] },
  ];
  for (const each of bad)
    test(`is not for ${each.host} by ${each.names.join(' and ') || 'nothing else'}`, () => {
      const error = check(each);
      assert.equal((error as NodeJS.ErrnoException | undefined)?.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    });
});
