import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Domain } from '../mail/domain.ts';
import { type DnsAnswer, type Resolver } from '../ports/resolver.ts';
import { type SigningKeyRecord } from './directory.ts';
import { checkRecords, dkimRecord, textProblem, type WantedRecord, wantedRecords, zoneLine } from './domain-records.ts';

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
const WANTED = wantedRecords({ domain: DOMAIN, hostname: 'mx.example.net', keys: KEYS, stsRecord: 'v=STSv1; id=1a' });

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
  const without = wantedRecords({ domain: DOMAIN, hostname: 'mx.example.net', keys: [], stsRecord: undefined });
  assert.deepEqual(
    without.map(({ purpose }) => purpose),
    ['spf', 'dmarc', 'mx', 'tlsRpt', 'returnPath'],
  );
});

/** Knows no name. */
const nobody: Resolver = {
  resolve: () => Promise.resolve({ kind: 'noName', ttl: 1, authenticated: false }),
};

describe('what is wrong with a record', () => {
  const right = wanted('dkim').value;
  for (const [name, purpose, found, problem] of [
    ['a key that is right', 'dkim', [right], undefined],
    ['a key with spaces in it', 'dkim', [right.replace('p=', 'p= ').replace(/(.{100})$/, ' $1')], undefined],
    ['a key without v=', 'dkim', [right.replace('v=DKIM1; ', '')], undefined],
    ['no key', 'dkim', [], /no such TXT record at r\._domainkey\.example\.com: publish it/],
    ['something else', 'dkim', ['hello'], /no such TXT/],
    ['two keys', 'dkim', [right, right], /2 keys/],
    ['another key', 'dkim', [right.slice(0, -20)], /another key/],
    ['a revoked key', 'dkim', ['v=DKIM1; p='], /revoked/],
    ['a key of another algorithm', 'dkim', [right.replace('k=rsa', 'k=ed25519')], /k=rsa/],
    ['a testing key', 'dkim', [`${right}; t=s:y`], /testing/],
    ['SPF', 'spf', ['v=spf1 a:mx.example.net -all', 'other'], undefined],
    ['SPF by an address', 'spf', ['v=spf1 ip4:192.0.2.1 ~all'], undefined],
    ['no SPF', 'spf', ['v=spf10 x'], /no such TXT/],
    ['two SPF records', 'spf', ['v=spf1 -all', 'v=spf1 mx -all'], /join them/],
    ['SPF that names others', 'spf', ['v=spf1 a:other.example -all'], /add a:mx.example.net/],
    ['SPF for everybody', 'spf', ['v=spf1 mx +all'], /everybody/],
    ['SPF with too many look-ups', 'spf', [`v=spf1 ${'a:x.test '.repeat(11)}-all`], /needs 11 look-ups/],
    ['DMARC', 'dmarc', ['v=DMARC1;p=reject'], undefined],
    ['DMARC without a policy', 'dmarc', ['v=DMARC1; rua=mailto:a@b.test'], /no p=/],
    ['two of DMARC', 'dmarc', ['v=DMARC1; p=none', 'v=DMARC1; p=none'], /leave one/],
    ['MTA-STS', 'mtaSts', ['v=STSv1; id=1a;'], undefined],
    ['MTA-STS of before', 'mtaSts', ['v=STSv1; id=09'], /another policy/],
    ['TLS-RPT', 'tlsRpt', ['v=TLSRPTv1; rua=https://x.test'], undefined],
  ] as const)
    test(name, async () => {
      const answer = await textProblem(wanted(purpose), found, nobody);
      if (problem === undefined) assert.equal(answer, undefined);
      else assert.match(answer ?? '', problem);
    });
});

test('all are looked up, and each is told of by itself', async () => {
  const answers: Readonly<Record<string, DnsAnswer<unknown>>> = {
    'MX example.com': found({ preference: 10, exchange: 'other.test' }),
    'TXT example.com': found(wanted('spf').value),
    'TXT _dmarc.example.com': { kind: 'temporary', reason: 'SERVFAIL' },
    'A mta-sts.example.com': found('192.0.2.1'),
  };
  const resolver: Resolver = {
    resolve: (name, type) =>
      Promise.resolve((answers[`${type} ${name}`] ?? { kind: 'noName', ttl: 1, authenticated: false }) as never),
  };
  const checked = await checkRecords(WANTED, resolver);
  const problems = new Map(checked.map(({ name, type, problem }) => [`${type} ${name}`, problem]));
  assert.equal(problems.get('TXT example.com'), undefined);
  assert.match(problems.get('TXT _dmarc.example.com') ?? '', /could not be looked up now: SERVFAIL/);
  assert.match(problems.get('MX example.com') ?? '', /its MX is other.test/);
  assert.equal(problems.get('CNAME mta-sts.example.com'), undefined);
  assert.match(problems.get('CNAME bounce.example.com') ?? '', /publish it/);
});

function found(record: unknown): DnsAnswer<unknown> {
  return { kind: 'found', records: [record], ttl: 60, authenticated: false };
}
