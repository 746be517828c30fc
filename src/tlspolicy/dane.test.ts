import assert from 'node:assert/strict';
import { createHash, type X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { certify, newKeys } from '../../test/lib/pki.ts';
import { type TlsaRecord } from '../ports/resolver.ts';
import { publicKeyInfoOf } from './certificate.ts';
import { checkDane, usableRecords } from './dane.ts';

const NOW = Date.UTC(2030, 0, 1);
const at = { now: NOW };

const root = await certify({ subject: 'root', ca: true, ...at });
const sub = await certify({ subject: 'sub', issuer: root, ca: true, ...at });
const leaf = await certify({ subject: 'mx', names: ['mx.test', '*.wild.test'], issuer: sub, ...at });
const other = await certify({ subject: 'other', names: ['mx.test'], ...at });
const expired = await certify({ subject: 'old', names: ['mx.test'], issuer: sub, days: [-30, -1], ...at });
const early = await certify({ subject: 'early', names: ['mx.test'], issuer: sub, days: [1, 30], ...at });
const oldRoot = await certify({ subject: 'old root', ca: true, days: [-30, -1], ...at });
const underOld = await certify({ subject: 'mx', names: ['mx.test'], issuer: oldRoot, ...at });
const forClients = await certify({ subject: 'mx', names: ['mx.test'], issuer: sub, purpose: 'client', ...at });
const forServers = await certify({ subject: 'mx', names: ['mx.test'], issuer: sub, purpose: 'server', ...at });
const notCa = await certify({ subject: 'not an authority', issuer: root, ...at });
const underNotCa = await certify({ subject: 'mx', names: ['mx.test'], issuer: notCa, ...at });
const forged = await certify({ subject: 'mx', names: ['mx.test'], issuer: sub, signer: other, ...at });
const byCommonName = await certify({ subject: 'mx.test', issuer: sub, ...at });
const renewed = await certify({ subject: 'mx', names: ['elsewhere.test'], keys: leaf.keys, days: [-30, -1], ...at });

/** Written by Node itself, and not cut out of the certificate. */
const keyOf = (certificate: X509Certificate): Buffer => certificate.publicKey.export({ type: 'spki', format: 'der' });

function tlsa(name: string, { certificate }: { readonly certificate: X509Certificate }): TlsaRecord {
  const [usage = 0, selector = 0, matchingType = 0] = name.split(' ').map(Number);
  const octets = selector === 1 ? keyOf(certificate) : certificate.raw;
  const digest = { 1: 'sha256', 2: 'sha512' }[matchingType];
  const data = digest === undefined ? octets : createHash(digest).update(octets).digest();
  return { usage, selector, matchingType, data };
}

interface Parts {
  readonly certificate: X509Certificate;
}

function result(
  records: readonly TlsaRecord[],
  sent: readonly Parts[],
  names: readonly string[] = ['mx.test'],
): string {
  const usable = usableRecords(records);
  if (usable.length === 0) return 'unusable';
  const checked = checkDane(usable, sent.map(({ certificate }) => certificate), { names, now: NOW }); // prettier-ignore
  return checked.kind === 'matched' ? recordName(checked.record) : checked.result;
}

const CHAIN = [leaf, sub, root];
const FORMS = ['0 0', '0 1', '0 2', '1 0', '1 1', '1 2'];

describe('a server that matches', () => {
  for (const form of FORMS) {
    test(`3 ${form}`, () => assert.equal(result([tlsa(`3 ${form}`, leaf)], [leaf]), `3 ${form}`));
    test(`2 ${form} of the root`, () => assert.equal(result([tlsa(`2 ${form}`, root)], CHAIN), `2 ${form}`));
    test(`2 ${form} of what is below it`, () =>
      assert.equal(result([tlsa(`2 ${form}`, sub)], [leaf, sub]), `2 ${form}`));
  }
  const cases: readonly [name: string, records: readonly TlsaRecord[], sent: readonly Parts[], names: readonly string[], want: string][] = [
    ['the certificates behind the first in any order', [tlsa('2 0 1', root)], [leaf, root, sub], ['mx.test'], '2 0 1'],
    ['certificates of others among them', [tlsa('2 0 1', root)], [leaf, other, oldRoot, sub, root], ['mx.test'], '2 0 1'],
    ['one of two names', [tlsa('2 0 1', sub)], [leaf, sub], ['domain.test', 'mx.test'], '2 0 1'],
    ['a wildcard in the certificate', [tlsa('2 0 1', sub)], [leaf, sub], ['mx1.wild.test'], '2 0 1'],
    ['a certificate with a common name alone', [tlsa('2 0 1', sub)], [byCommonName, sub], ['mx.test'], '2 0 1'],
    ['a certificate for servers', [tlsa('2 0 1', sub)], [forServers, sub], ['mx.test'], '2 0 1'],
    ['an authority that is in the DNS and was not sent', [tlsa('2 0 0', sub)], [leaf], ['mx.test'], '2 0 0'],
    ['a root in the DNS above what was sent', [tlsa('2 0 0', root)], [leaf, sub], ['mx.test'], '2 0 0'],
    ['a key in the DNS whose certificate was not sent', [tlsa('2 1 0', sub)], [leaf], ['mx.test'], '2 1 0'],
    ['a key in the DNS above what was sent', [tlsa('2 1 0', root)], [leaf, sub], ['mx.test'], '2 1 0'],
    ['DANE-EE and another name', [tlsa('3 0 1', leaf)], [leaf], ['elsewhere.test'], '3 0 1'],
    ['DANE-EE and a certificate that has expired', [tlsa('3 0 1', expired)], [expired], ['mx.test'], '3 0 1'],
    ['DANE-EE and the key in another certificate', [tlsa('3 1 1', leaf)], [renewed], ['mx.test'], '3 1 1'],
    ['DANE-EE for clients', [tlsa('3 1 1', forClients)], [forClients], ['mx.test'], '3 1 1'],
    ['the next certificate is published already', [tlsa('3 1 1', other), tlsa('3 1 1', leaf)], [leaf], ['mx.test'], '3 1 1'],
    ['DANE-TA fails and DANE-EE does not', [tlsa('2 0 1', oldRoot), tlsa('3 1 1', leaf)], CHAIN, ['x.test'], '3 1 1'],
    ['DANE-EE fails and DANE-TA does not', [tlsa('3 1 1', other), tlsa('2 1 1', root)], CHAIN, ['mx.test'], '2 1 1'],
    ['records that nobody can use beside one', [tlsa('1 1 1', leaf), tlsa('9 1 1', leaf), tlsa('3 1 1', leaf)], [leaf], ['mx.test'], '3 1 1'],
  ]; // prettier-ignore
  for (const [name, records, sent, names, want] of cases)
    test(name, () => assert.equal(result(records, sent, names), want));
});

describe('a server that does not', () => {
  const cases: readonly [name: string, records: readonly TlsaRecord[], sent: readonly Parts[], want: string][] = [
    ['another certificate', [tlsa('3 0 1', other)], [leaf], 'validation-failure'],
    ['another key', [tlsa('3 1 1', other)], [leaf, sub], 'validation-failure'],
    ['no certificate', [tlsa('3 1 1', leaf)], [], 'validation-failure'],
    ['DANE-EE of what stands above it', [tlsa('3 0 1', sub)], [leaf, sub], 'validation-failure'],
    ['DANE-TA of the server itself', [tlsa('2 0 1', leaf)], [leaf, sub, root], 'validation-failure'],
    ['DANE-TA of a certificate that was sent and signed nothing', [tlsa('2 0 1', other)], [leaf, other], 'validation-failure'],
    ['an authority that was not sent', [tlsa('2 0 1', sub)], [leaf], 'validation-failure'],
    ['a link is missing', [tlsa('2 0 1', root)], [leaf, root], 'validation-failure'],
    ['the issuer by name and not by signature', [tlsa('2 0 1', sub)], [forged, sub], 'validation-failure'],
    ['nor by a key in the DNS', [tlsa('2 1 0', sub)], [forged], 'validation-failure'],
    ['signed by one who may not', [tlsa('2 0 1', root)], [underNotCa, notCa, root], 'validation-failure'],
    ['nor as the anchor', [tlsa('2 0 1', notCa)], [underNotCa, notCa], 'validation-failure'],
    ['DANE-TA: expired', [tlsa('2 0 1', sub)], [expired, sub], 'certificate-expired'],
    ['DANE-TA: not yet in force', [tlsa('2 0 1', sub)], [early, sub], 'certificate-expired'],
    ['DANE-TA: the authority has expired', [tlsa('2 0 1', oldRoot)], [underOld, oldRoot], 'certificate-expired'],
    ['DANE-TA: not for servers', [tlsa('2 0 1', sub)], [forClients, sub], 'validation-failure'],
    ['usage 0', [tlsa('0 0 1', sub)], CHAIN, 'unusable'],
    ['usage 1', [tlsa('1 1 1', leaf)], CHAIN, 'unusable'],
    ['an unknown usage', [tlsa('255 1 1', leaf)], CHAIN, 'unusable'],
    ['an unknown selector', [{ ...tlsa('3 1 1', leaf), selector: 2 }], CHAIN, 'unusable'],
    ['an unknown matching type', [{ ...tlsa('3 1 1', leaf), matchingType: 3 }], CHAIN, 'unusable'],
    ['a digest cut short', [{ ...tlsa('3 1 1', leaf), data: Buffer.alloc(31) }], CHAIN, 'unusable'],
    ['the digest of another type', [{ ...tlsa('3 1 1', leaf), matchingType: 2 }], CHAIN, 'unusable'],
    ['a certificate that is none', [{ ...tlsa('3 0 0', leaf), data: Buffer.from('x') }], CHAIN, 'unusable'],
    ['a certificate as PEM', [{ ...tlsa('3 0 0', leaf), data: Buffer.from(leaf.cert) }], CHAIN, 'unusable'],
    ['a key that is none', [{ ...tlsa('2 1 0', leaf), data: Buffer.alloc(91) }], CHAIN, 'unusable'],
  ]; // prettier-ignore
  for (const [name, records, sent, want] of cases) test(name, () => assert.equal(result(records, sent), want));

  test('DANE-TA for another name', () => {
    for (const name of ['other.test', 'a.b.wild.test', 'wild.test', 'test', ''])
      assert.equal(result([tlsa('2 0 1', sub)], [leaf, sub], [name]), 'certificate-host-mismatch');
  });

  test('a weak digest matches and a strong one does not: only the strong one counts', () => {
    const [weak, strong] = [tlsa('3 1 1', leaf), tlsa('3 1 2', other)];
    assert.equal(result([weak, strong], [leaf]), 'validation-failure');
    // By usage and selector, and whatever is not a digest stays.
    assert.equal(result([weak, { ...strong, selector: 0 }], [leaf]), '3 1 1');
    assert.equal(result([strong, tlsa('3 1 0', leaf)], [leaf]), '3 1 0');
  });

  test('a loop of issuers ends', async () => {
    const keys = await newKeys();
    const [a, b] = [
      await certify({ subject: 'a', ca: true, ...at }),
      await certify({ subject: 'b', ca: true, keys, ...at }),
    ];
    const ab = await certify({ subject: 'a', issuer: b, ca: true, keys: a.keys, ...at });
    const ba = await certify({ subject: 'b', issuer: a, ca: true, keys, ...at });
    const below = await certify({ subject: 'mx', names: ['mx.test'], issuer: a, ...at });
    assert.equal(result([tlsa('2 0 1', root)], [below, ab, ba]), 'validation-failure');
    assert.equal(result([tlsa('2 0 1', b)], [below, ab, ba, b]), '2 0 1');
  });

  test('certificates that all sign each other cost no more than their number', async () => {
    const one = await certify({ subject: 'x', ca: true, ...at });
    const many = await Promise.all(
      Array.from({ length: 9 }, () => certify({ subject: 'x', ca: true, keys: one.keys, ...at })),
    );
    const below = await certify({ subject: 'mx', names: ['mx.test'], issuer: one, ...at });
    let checks = 0;
    for (const { certificate } of many) {
      const { checkIssued } = certificate;
      certificate.checkIssued = (issuer) => {
        checks += 1;
        return checkIssued.call(certificate, issuer);
      };
    }
    assert.equal(result([tlsa('2 0 1', root)], [below, ...many]), 'validation-failure');
    assert.ok(checks <= 2 * 9 * 9);
  });

  test('a hundred records and a hundred certificates are bounded', () => {
    const records = Array.from({ length: 1000 }, () => tlsa('3 1 1', other));
    assert.equal(usableRecords(records).length, 20);
    assert.equal(
      result([tlsa('2 0 1', root)], [leaf, ...Array.from({ length: 100 }, () => sub), root]),
      'validation-failure',
    );
  });
});

describe('the key of a certificate', () => {
  test('is what Node writes of it', () => {
    for (const { certificate } of [root, sub, leaf, expired])
      assert.deepEqual(publicKeyInfoOf(certificate.raw), keyOf(certificate));
  });

  test('whatever the octets are, it answers, and from within them', () => {
    const raw = leaf.certificate.raw;
    const cut = fc.nat(raw.length).map((length) => raw.subarray(0, length));
    const changed = fc.tuple(fc.nat(raw.length - 1), fc.nat(255)).map(([where, octet]) => {
      const copy = Buffer.from(raw);
      copy[where] = octet;
      return copy;
    });
    const any = fc.uint8Array().map((octets) => Buffer.from(octets));
    fc.assert(
      fc.property(fc.oneof(cut, changed, any), (octets) => {
        const key = publicKeyInfoOf(octets);
        assert.ok(key === undefined || octets.includes(key));
        usableRecords([{ usage: 2, selector: 0, matchingType: 0, data: octets }]);
      }),
    );
  });
});

function recordName({ usage, selector, matchingType }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType}`;
}
