import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Domain } from '../mail/domain.ts';
import { type DnsAnswer, type Resolver } from '../ports/resolver.ts';
import { type CheckedRecord, type CheckFacts, checkRecords } from './domain-check.ts';
import { wantedRecords } from './domain-records.ts';

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const WANTED = wantedRecords({
  ...{ domain: 'example.com' as Domain, hostname: 'mx.example.net', stsRecord: 'v=STSv1; id=1a', reportsTo: undefined },
  keys: [
    {
      ...{ domain: 'example.com' as Domain, selector: 'r', algorithm: 'rsa-sha256', privateKey },
      ...{ state: 'signing', since: 0 },
    },
  ],
});
const FACTS: CheckFacts = { hostname: 'mx.example.net', sendsBy: ['A', 'AAAA'], reportsTo: undefined };

/** `type name`: its records, or why there is no answer. */
type Zone = Readonly<Record<string, readonly unknown[] | string>>;
const SERVER: Zone = { 'A mx.example.net': ['192.0.2.1'], 'AAAA mx.example.net': ['2001:db8::1'] };

function resolverOf(zone: Zone): Resolver {
  return { resolve: (name, type) => Promise.resolve(answerOf(zone[`${type} ${name}`]) as never) };
}

function answerOf(found: Zone[string] | undefined): DnsAnswer<unknown> {
  if (typeof found === 'string') return { kind: 'temporary', reason: found };
  const [first, ...rest] = found ?? [];
  if (first === undefined) return { kind: 'noName', ttl: 1, authenticated: false };
  return { kind: 'found', records: [first, ...rest], ttl: 60, authenticated: false };
}

type Purpose = CheckedRecord['purpose'];

async function check(zone: Zone, facts: Partial<CheckFacts> = {}): Promise<ReadonlyMap<Purpose, CheckedRecord>> {
  const checked = await checkRecords(WANTED, { ...FACTS, ...facts }, resolverOf({ ...SERVER, ...zone }));
  return new Map(checked.map((record) => [record.purpose, record]));
}

function wanted(purpose: Purpose): string {
  return WANTED.find((each) => each.purpose === purpose)!.value;
}

describe('a text that stands there', () => {
  const NAMES = {
    ...{ dkim: 'r._domainkey.example.com', spf: 'example.com', dmarc: '_dmarc.example.com' },
    ...{ mtaSts: '_mta-sts.example.com', tlsRpt: '_smtp._tls.example.com' },
  };
  const key = wanted('dkim');
  const cases: readonly (readonly [string, keyof typeof NAMES, readonly string[], RegExp | undefined])[] = [
    ['a key that is right', 'dkim', [key], undefined],
    ['a key with spaces in it', 'dkim', [key.replace('p=', 'p= ').replace(/(.{100})$/, ' $1')], undefined],
    ['a key without v=', 'dkim', [key.replace('v=DKIM1; ', '')], undefined],
    ['a key that says what it is for', 'dkim', [`${key}; h=sha1:sha256; s=tlsrpt:email; t=s; n=x`], undefined],
    ['a key for everything', 'dkim', [`${key}; s=*;`], undefined],
    ['no key', 'dkim', [], /no such TXT record at r\._domainkey\.example\.com: publish it/],
    ['something else', 'dkim', ['hello'], /no key there: publish it/],
    ['two keys', 'dkim', [key, key], /2 keys/],
    ['another key', 'dkim', [key.slice(0, -20)], /another key/],
    ['a revoked key', 'dkim', ['v=DKIM1; p='], /revoked/],
    ['a key of another algorithm', 'dkim', [key.replace('k=rsa', 'k=ed25519')], /k=ed25519 .* k=rsa/],
    ['a testing key', 'dkim', [`${key}; t=s:y`], /testing/],
    ['a key for another hash', 'dkim', [`${key}; h=sha1`], /^h=sha1 leaves out sha256.*take h= out$/],
    ['a key for no hash', 'dkim', [`${key}; h=`], /leaves out sha256/],
    ['a key for another service', 'dkim', [`${key}; s=tlsrpt`], /^s=tlsrpt says .* not for mail: take s= out$/],
    ['a key of another version', 'dkim', [key.replace('DKIM1', 'DKIM2')], /v=DKIM2 must be/],
    ['a version that does not stand first', 'dkim', [`${key.replace('v=DKIM1; ', '')}; v=DKIM1`], /stand first/],
    ['a tag that stands there twice', 'dkim', [`${key}; k=rsa`], /k= stands there twice/],
    ['what is no tag', 'dkim', [`${key}; hello`], /"hello" is no tag/],
    ['a tag written large', 'dkim', [key.replace('p=', 'P=')], /no p=/],

    ['SPF', 'spf', ['v=spf1 a:mx.example.net -all', 'other'], undefined],
    ['SPF by addresses', 'spf', ['v=spf1 ip4:192.0.2.1 ip6:2001:db8::/64 ~all'], undefined],
    ['no SPF', 'spf', ['v=spf10 x'], /no such TXT/],
    ['two SPF records', 'spf', ['v=spf1 -all', 'v=spf1 mx -all'], /join them/],
    ['SPF of others', 'spf', ['v=spf1 ip4:203.0.113.5 -all'], /names 192\.0\.2\.1 \(mx\.example\.net\): add a:mx/],
    ['SPF for everybody', 'spf', ['v=spf1 mx +all'], /everybody/],

    ['DMARC', 'dmarc', ['v=DMARC1;p=reject'], undefined],
    [
      ...(['all of DMARC', 'dmarc'] as const),
      ['v=DMARC1; p=Quarantine; sp=none; np=reject; adkim=s; aspf=r; rua=mailto:a@b.test,mailto:c@d.test!10m; fo=1;'],
      undefined,
    ],
    ['no DMARC', 'dmarc', ['hello'], /no DMARC record there: publish it/],
    ['DMARC without a policy', 'dmarc', ['v=DMARC1; rua=mailto:a@b.test'], /no p=/],
    [
      'a policy that is none',
      'dmarc',
      ['v=DMARC1; p=nonsense'],
      /^p=nonsense .* must be none or quarantine or reject$/,
    ],
    ['a policy of subdomains that is none', 'dmarc', ['v=DMARC1; p=none; sp=nonsense'], /^sp=nonsense/],
    ['an alignment that is none', 'dmarc', ['v=DMARC1; p=none; adkim=strict'], /^adkim=strict .* r or s/],
    ['reports to nobody', 'dmarc', ['v=DMARC1; p=none; rua=a@b.test'], /^rua= names "a@b\.test".*write mailto:/],
    ['reports by HTTP', 'dmarc', ['v=DMARC1; p=none; rua=mailto:a@b.test,http://b.test'], /names "http:/],
    ['reports to no address', 'dmarc', ['v=DMARC1; p=none; ruf=mailto:b.test'], /^ruf= names/],
    ['two of DMARC', 'dmarc', ['v=DMARC1; p=none', 'v=DMARC1; p=none'], /leave one/],
    ['another writing', 'dmarc', ['v=dmarc1; p=none'], /begin with v=DMARC1/],

    ['MTA-STS', 'mtaSts', ['v=STSv1; id=1a;'], undefined],
    ['MTA-STS of before', 'mtaSts', ['v=STSv1; id=09'], /another policy .*: make it v=STSv1; id=1a/],
    ['MTA-STS without an id', 'mtaSts', ['v=STSv1;'], /no id.*make it/],
    ['MTA-STS with an id that is none', 'mtaSts', ['v=STSv1; id=1-a'], /letters and digits/],
    ['MTA-STS with what is no field', 'mtaSts', ['v=STSv1; \u001b[2J; id=1a'], /^"\?\[2J" is not a field/],
    ['MTA-STS in another writing', 'mtaSts', ['v=stsv1; id=1a'], /begins with v=STSv1/],

    ['TLS-RPT', 'tlsRpt', ['v=TLSRPTv1; rua=https://x.test'], undefined],
    [
      'TLS-RPT to what nobody reports to',
      'tlsRpt',
      ['v=TLSRPTv1; rua=ftp://x'],
      /no mailto: and no https:.*make it v=TLSRPTv1/,
    ],
    ['TLS-RPT without an address', 'tlsRpt', ['v=TLSRPTv1;'], /no rua/],
  ];
  for (const [name, purpose, found, problem] of cases)
    test(name, async () => {
      const record = (await check({ [`TXT ${NAMES[purpose]}`]: found })).get(purpose)!;
      assert.equal(record.state, problem === undefined ? 'right' : 'wrong', record.problem);
      if (problem !== undefined) assert.match(record.problem ?? '', problem);
    });

  test('reports on encryption that go elsewhere than where they are read', async () => {
    for (const [rua, problem] of [
      ['mailto:Reports@example.net', undefined],
      ['mailto:x@y.test,mailto:reports@example.net', undefined],
      ['mailto:postmaster@example.com', /go to postmaster@example\.com, and are read at reports@example\.net/],
    ] as const) {
      const zone = { 'TXT _smtp._tls.example.com': [`v=TLSRPTv1; rua=${rua}`] };
      const found = (await check(zone, { reportsTo: 'reports@example.net' })).get('tlsRpt')?.problem;
      if (problem === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', problem);
    }
  });
});

describe('a name of this server', () => {
  const BOTH = ['mtaStsHost', 'returnPath'] as const;
  const at = (type: string, value: readonly unknown[] | string): Zone => ({
    [`${type} mta-sts.example.com`]: value,
    [`${type} bounce.example.com`]: value,
  });
  const cases: readonly (readonly [string, Zone, CheckedRecord['state'], RegExp | undefined])[] = [
    ['that leads to it', { ...at('A', ['192.0.2.1']), ...at('AAAA', ['2001:DB8:0::1']) }, 'right', undefined],
    ['that leads to one of its addresses', at('A', ['192.0.2.1']), 'right', undefined],
    ['that is not there', {}, 'wrong', /no such CNAME record at .*: publish it/],
    [
      'that leads elsewhere',
      at('A', ['203.0.113.5']),
      'wrong',
      /leads to 203\.0\.113\.5, and not .*CNAME of mx\.example\.net/,
    ],
    ['that leads elsewhere, too', at('A', ['192.0.2.1', '203.0.113.5']), 'wrong', /leads to 203\.0\.113\.5,/],
    ['that is not answered for', at('A', 'SERVFAIL'), 'noAnswer', /could not be looked up now: SERVFAIL/],
    [
      ...(['whose host is not answered for', { ...at('A', ['192.0.2.1']), 'A mx.example.net': 'late' }] as const),
      ...(['noAnswer', /^mx\.example\.net could not be looked up now: late$/] as const),
    ],
    [
      ...(['whose host has no address', { ...at('A', ['192.0.2.1']), ...nowhere() }] as const),
      ...(['wrong', /which has no address/] as const),
    ],
  ];
  for (const [name, zone, state, problem] of cases)
    test(name, async () => {
      const found = await check(zone);
      for (const purpose of BOTH) {
        assert.equal(found.get(purpose)?.state, state, purpose);
        if (problem !== undefined) assert.match(found.get(purpose)?.problem ?? '', problem);
      }
    });

  test('that is a CNAME of it is right, though another of many addresses comes', async () => {
    const resolver = resolverOf(SERVER);
    const turned: Resolver = {
      resolve: async (name, type) => {
        if (name !== 'bounce.example.com' || type !== 'A') return resolver.resolve(name, type);
        return { ...answerOf(['192.0.2.7']), name: 'mx.example.net' } as never;
      },
    };
    const checked = await checkRecords(WANTED, FACTS, turned);
    assert.equal(checked.find(({ purpose }) => purpose === 'returnPath')?.state, 'right');
  });

  function nowhere(): Zone {
    return { 'A mx.example.net': [], 'AAAA mx.example.net': [] };
  }
});

test('all are looked up, and each is told of by itself', async () => {
  const found = await check({
    'MX example.com': [{ preference: 10, exchange: 'other.test' }],
    'TXT example.com': [wanted('spf')],
    'TXT _dmarc.example.com': 'SERVFAIL',
  });
  assert.deepEqual(
    [...found.values()].map(({ purpose, state }) => `${purpose} ${state}`),
    [
      ...['dkim wrong', 'spf right', 'dmarc noAnswer', 'mx wrong', 'mtaSts wrong'],
      ...['mtaStsHost wrong', 'tlsRpt wrong', 'returnPath wrong'],
    ],
  );
  assert.match(found.get('dmarc')?.problem ?? '', /_dmarc\.example\.com could not be looked up now: SERVFAIL/);
  assert.match(found.get('mx')?.problem ?? '', /its MX is other.test/);
});
