import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Domain } from '../mail/domain.ts';
import { type SigningKeyRecord } from './directory.ts';
import { parseTlsRptRecord } from '../tlspolicy/tls-report.ts';
import { dkimRecord, type WantedRecord, wantedRecords, zoneLine } from './domain-records.ts';

const DOMAIN = 'example.com' as Domain;
const PUBLIC = { type: 'spki', format: 'pem' } as const;
const PRIVATE = { type: 'pkcs8', format: 'pem' } as const;
const RSA = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: PUBLIC,
  privateKeyEncoding: PRIVATE,
});
const ED = generateKeyPairSync('ed25519', { publicKeyEncoding: PUBLIC, privateKeyEncoding: PRIVATE });
const KEYS: readonly SigningKeyRecord[] = [
  { domain: DOMAIN, selector: 'r', algorithm: 'rsa-sha256', privateKey: RSA.privateKey, state: 'signing', since: 0 },
  { domain: DOMAIN, selector: 'e', algorithm: 'ed25519-sha256', privateKey: ED.privateKey, state: 'signing', since: 0 },
];
const WANTED = wantedRecords({
  domain: DOMAIN,
  hostname: 'mx.example.net',
  keys: KEYS,
  stsRecord: 'v=STSv1; id=1a',
  reportsTo: undefined,
});

function wanted(purpose: WantedRecord['purpose']): WantedRecord {
  const record = WANTED.find((each) => each.purpose === purpose);
  assert.ok(record);
  return record;
}

describe('a key in DNS', () => {
  test('RSA is the key in DER', () => {
    const p = /p=(.+)$/.exec(dkimRecord(KEYS[0]!))?.[1] ?? '';
    const key = createPublicKey({ key: Buffer.from(p, 'base64'), type: 'spki', format: 'der' });
    assert.equal(key.export({ type: 'spki', format: 'pem' }), RSA.publicKey);
  });

  test('Ed25519 is its 32 octets', () => {
    const p = /^v=DKIM1; k=ed25519; p=(.+)$/.exec(dkimRecord(KEYS[1]!))?.[1] ?? '';
    assert.equal(Buffer.from(p, 'base64').length, 32);
    assert.equal(
      createPublicKey(ED.publicKey).export({ format: 'jwk' }).x,
      Buffer.from(p, 'base64').toString('base64url'),
    );
  });
});

describe('a line of a zone', () => {
  test('cuts a long text into strings of 255 octets', () => {
    const line = zoneLine(wanted('dkim'));
    assert.match(line, /^r\._domainkey\.example\.com\. 3600 IN TXT \( "v=DKIM1/);
    const parts = [...line.matchAll(/"([^"]*)"/g)].map(([, part]) => part ?? '');
    assert.ok(parts.every((part) => part.length <= 255));
    assert.equal(parts.join(''), wanted('dkim').value);
  });

  test('names hosts absolutely', () => {
    assert.equal(zoneLine(wanted('mx')), 'example.com. 3600 IN MX 10 mx.example.net.');
    assert.equal(zoneLine(wanted('mtaStsHost')), 'mta-sts.example.com. 3600 IN CNAME mx.example.net.');
  });
});

test('without a policy of ours none is asked for', () => {
  const without = wantedRecords({
    domain: DOMAIN,
    hostname: 'mx.example.net',
    keys: [],
    stsRecord: undefined,
    reportsTo: undefined,
  });
  assert.deepEqual(
    without.map(({ purpose }) => purpose),
    ['spf', 'dmarc', 'mx', 'tlsRpt', 'returnPath'],
  );
});

describe('reports on encryption go', () => {
  const given = { domain: DOMAIN, hostname: 'mx.example.net', keys: [], stsRecord: undefined };
  const recordFor = (reportsTo: string | undefined): string =>
    wantedRecords({ ...given, reportsTo }).find(({ purpose }) => purpose === 'tlsRpt')!.value;

  test('to a person, where nobody reads them here', () =>
    assert.equal(recordFor(undefined), 'v=TLSRPTv1; rua=mailto:postmaster@example.com'));

  for (const address of [
    'tls-reports@example.net',
    "a+b!c%f'g@example.net",
    '"a,b;c d"@example.net',
    'jörg@example.net',
  ])
    test(`to where they are read: ${address}`, () => {
      const record = recordFor(address);
      assert.match(record, /^v=TLSRPTv1; rua=mailto:[\w.@+=%-]+$/);
      assert.deepEqual(parseTlsRptRecord([record]), { kind: 'found', targets: [{ kind: 'mail', address }] });
    });
});
