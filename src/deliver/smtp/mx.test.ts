import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Domain, parseDomain } from '../../mail/domain.ts';
import { type AddressLiteral } from '../../mail/path.ts';
import { type DnsAnswer, type DnsRecords, type DnsType, type Resolver } from '../../ports/resolver.ts';
import { type SiteAnswer } from '../../queue/site.ts';
import { findSite, hostsInOrder, nullMxSender, type SiteDeps } from './mx.ts';

type Zone = Readonly<Record<string, readonly string[] | 'SERVFAIL' | 'NXDOMAIN' | undefined>>;

/** Keys are `MX example.com`; an MX record is `10 mx.example.com`. What is not in the zone has no data. */
function zoneResolver(zone: Zone, ttl = 300): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>> {
      asked.push(`${type} ${name}`);
      const entry = Object.hasOwn(zone, `${type} ${name}`) ? zone[`${type} ${name}`] : undefined;
      if (entry === 'SERVFAIL') return Promise.resolve({ kind: 'temporary', reason: 'SERVFAIL' });
      if (entry === 'NXDOMAIN') return Promise.resolve({ kind: 'noName', ttl, authenticated: false });
      const records = (entry ?? []).map((text) => (type === 'MX' ? mxRecord(text) : text)) as DnsRecords[T][];
      const [first, ...rest] = records;
      if (first === undefined) return Promise.resolve({ kind: 'noData', ttl, authenticated: false });
      return Promise.resolve({ kind: 'found', records: [first, ...rest], ttl, authenticated: true });
    },
  };
}

function mxRecord(text: string): DnsRecords['MX'] {
  const [preference, exchange = ''] = text.split(' ');
  return { preference: Number(preference), exchange };
}

function domain(text: string): Domain {
  const result = parseDomain(text);
  assert.ok(result.ok);
  return result.value;
}

function find(
  zone: Zone,
  deps: Partial<SiteDeps> = {},
  name: Domain | AddressLiteral = domain('example.com'),
): Promise<SiteAnswer> {
  return findSite(name, {
    resolver: zoneResolver(zone),
    helloNames: new Set(['me.test']),
    ownAddresses: (address) => address === '192.0.2.99' || address === '2001:db8::99',
    maxHosts: 5,
    random: { next: () => 0 },
    family: 'both',
    ...deps,
  });
}

/** `10 a,20 b`, or the status of a failure. */
function summary(answer: SiteAnswer): string {
  if (answer.kind !== 'site') return `${answer.kind} ${answer.status}`;
  return answer.hosts.map(({ name, preference }) => `${preference} ${name}`).join(',');
}

describe('findSite', () => {
  const cases: readonly (readonly [string, Zone, string])[] = [
    ['MX hosts by preference', { 'MX example.com': ['20 b.test', '10 a.test'] }, '10 a.test,20 b.test'],
    ['preference 0 is the best', { 'MX example.com': ['0 a.test'] }, '0 a.test'],
    ['MX hosts without addresses stay', { 'MX example.com': ['10 a.test'], 'A a.test': 'NXDOMAIN' }, '10 a.test'],
    [
      'MX hosts whose address is unknown stay',
      { 'MX example.com': ['10 a.test'], 'A a.test': 'SERVFAIL' },
      '10 a.test',
    ],
    [
      'MX hosts with a private address stay',
      { 'MX example.com': ['10 a.test'], 'A a.test': ['10.0.0.1'] },
      '10 a.test',
    ],
    ['a host named twice counts once, at its best', { 'MX example.com': ['20 a.test', '10 A.test'] }, '10 a.test'],
    ['an underscore in a host name does no harm', { 'MX example.com': ['10 mail_1.test'] }, '10 mail_1.test'],

    ['without MX the domain is its own host', { 'A example.com': ['192.0.2.1'] }, '0 example.com'],
    ['an IPv6 address will do', { 'AAAA example.com': ['2001:db8::1'] }, '0 example.com'],
    ['without MX and address it fails', {}, 'failed 5.1.2'],
    ['without MX and with an unknown address it waits', { 'A example.com': 'SERVFAIL' }, 'deferred 4.4.3'],
    ['one family will do', { 'A example.com': 'SERVFAIL', 'AAAA example.com': ['2001:db8::1'] }, '0 example.com'],
    ['no such domain', { 'MX example.com': 'NXDOMAIN', 'A example.com': ['192.0.2.1'] }, 'failed 5.1.2'],
    ['SERVFAIL is not "no MX"', { 'MX example.com': 'SERVFAIL', 'A example.com': ['192.0.2.1'] }, 'deferred 4.4.3'],

    ['null MX', { 'MX example.com': ['0 '], 'A example.com': ['192.0.2.1'] }, 'failed 5.1.10'],
    ['null MX at any preference', { 'MX example.com': ['10 '] }, 'failed 5.1.10'],
    ['"." among others is junk', { 'MX example.com': ['0 ', '10 a.test'] }, '10 a.test'],
    ['an IP address is no host', { 'MX example.com': ['5 192.0.2.1', '10 a.test'] }, '10 a.test'],
    ['a bad name is no host', { 'MX example.com': ['5 a..test', '6 -', '7 a\\046b.test', '10 a.test'] }, '10 a.test'],
    [
      'junk alone does not make the domain its own host',
      { 'MX example.com': ['5 192.0.2.1'], 'A example.com': ['192.0.2.1'] },
      'failed 5.4.4',
    ],

    [
      'our name: it and all at or above it go',
      { 'MX example.com': ['10 a.test', '20 me.test', '20 b.test', '30 c.test'] },
      '10 a.test',
    ],
    ['our name in other case', { 'MX example.com': ['10 a.test', '20 ME.Test'] }, '10 a.test'],
    [
      'our IPv4 address',
      { 'MX example.com': ['10 a.test', '20 b.test'], 'A b.test': ['192.0.2.1', '192.0.2.99'] },
      '10 a.test',
    ],
    [
      'our IPv6 address',
      { 'MX example.com': ['10 a.test', '20 b.test'], 'AAAA b.test': ['2001:db8::99'] },
      '10 a.test',
    ],
    ['we are the best', { 'MX example.com': ['10 me.test', '20 b.test'] }, 'failed 5.4.6'],
    ['we are among the best', { 'MX example.com': ['10 a.test', '10 me.test'] }, 'failed 5.4.6'],
    ['without MX, our address', { 'A example.com': ['192.0.2.99'] }, 'failed 5.4.6'],
  ];
  for (const [name, zone, want] of cases) test(name, async () => assert.equal(summary(await find(zone)), want));

  test('without MX, our name', async () =>
    assert.equal(summary(await find({ 'A me.test': ['192.0.2.1'] }, {}, domain('me.test'))), 'failed 5.4.6'));
  test('a family that is not used gives no address', async () => {
    const zone = { 'AAAA example.com': ['2001:db8::1'] };
    assert.equal(summary(await find(zone, { family: 'ipv4' })), 'failed 5.1.2');
  });

  test('the site is the set of hosts, whatever their order and case', async () => {
    const one = await find({ 'MX example.com': ['10 b.test', '20 A.test'] });
    const other = await find({ 'MX example.com': ['5 a.test', '5 B.test'] }, { random: { next: Math.random } });
    assert.equal(one.kind === 'site' && one.site, 'a.test,b.test');
    assert.equal(other.kind === 'site' && other.site, 'a.test,b.test');
  });
  test('the number of hosts is bounded, the site is not cut by chance', async () => {
    const records = Array.from({ length: 1000 }, (_, i) => `10 mx${i}.test`);
    const [one, other] = await Promise.all(
      [1, 2].map(() => find({ 'MX example.com': records }, { random: { next: Math.random } })),
    );
    assert.ok(one?.kind === 'site' && other?.kind === 'site');
    assert.equal(one.hosts.length, 5);
    assert.equal(one.site, other.site);
    assert.ok(one.site.length < 500);
  });
  test('lookups are bounded too, and our name is found behind them', async () => {
    const records = Array.from({ length: 1000 }, (_, i) => `10 mx${i}.test`);
    const resolver = zoneResolver({ 'MX example.com': [...records, '10 zz.me.test'] });
    const answer = await find({}, { resolver, helloNames: new Set(['zz.me.test']) });
    assert.equal(summary(answer), 'failed 5.4.6');
    assert.ok(resolver.asked.length <= 41, String(resolver.asked.length));
  });
  test('what the answer says of trust and time is passed on', async () => {
    const answer = await find({}, { resolver: zoneResolver({ 'MX example.com': ['10 a.test'] }, 60) });
    assert.ok(answer.kind === 'site');
    assert.equal(answer.authenticated, true);
    assert.equal(answer.ttl, 60_000);
  });
  test('a TTL of zero is kept for a moment', async () => {
    const answer = await find({}, { resolver: zoneResolver({ 'MX example.com': ['10 a.test'] }, 0) });
    assert.equal(answer.ttl, 5000);
  });
  test('diagnostics are ours and name the domain', async () => {
    for (const zone of [{}, { 'MX example.com': ['0 '] }, { 'MX example.com': 'SERVFAIL' }] as const) {
      const answer = await find(zone);
      assert.ok(answer.kind !== 'site');
      assert.match(answer.diagnostic, /^postrider: .*example\.com/);
    }
  });
});

describe('address literals', () => {
  const cases: readonly (readonly [AddressLiteral, string])[] = [
    ['[192.0.2.1]', '0 192.0.2.1'],
    ['[IPv6:2001:db8::1]', '0 2001:db8::1'],
    ['[192.0.2.99]', 'failed 5.4.6'],
  ];
  for (const [literal, want] of cases)
    test(`${literal} is looked up nowhere`, async () => {
      const resolver = zoneResolver({});
      const answer = await find({}, { resolver }, literal);
      assert.equal(summary(answer), want);
      assert.deepEqual(resolver.asked, []);
      if (answer.kind === 'site') assert.equal(answer.site, literal);
    });
});

describe('hostsInOrder', () => {
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => ({ name, preference: i < 4 ? 10 : 20 }));
  test('preference first, and nobody is lost', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 6, maxLength: 6 }),
        (lots) => {
          const ordered = hostsInOrder(hosts, { next: () => lots.pop() ?? 0 });
          assert.deepEqual(
            ordered.map(({ preference }) => preference),
            [10, 10, 10, 10, 20, 20],
          );
          assert.deepEqual(ordered.map(({ name }) => name).sort(), ['a', 'b', 'c', 'd', 'e', 'f']);
        },
      ),
    );
  });
  test('chance decides among equals', () => {
    let seed = 1;
    const random = { next: () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647 };
    const firsts = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const name = hostsInOrder(hosts, random)[0]?.name ?? '';
      firsts.set(name, (firsts.get(name) ?? 0) + 1);
    }
    assert.deepEqual([...firsts.keys()].sort(), ['a', 'b', 'c', 'd']);
    for (const count of firsts.values()) assert.ok(count > 800 && count < 1200, String(count));
  });
});

describe('nullMxSender', () => {
  const resolver = zoneResolver({
    'MX null.test': ['0 '],
    'MX mixed.test': ['0 ', '10 a.test'],
    'MX broken.test': 'SERVFAIL',
  });
  const cases = [
    ['null.test', true],
    ['mixed.test', false],
    ['none.test', false],
    ['broken.test', false],
  ] as const;
  for (const [name, want] of cases)
    test(`${name}: ${want}`, async () => assert.equal(await nullMxSender(domain(name), resolver), want));
  test('literals and the null path have no MX', async () => {
    assert.equal(await nullMxSender('[192.0.2.1]', resolver), false);
    assert.equal(await nullMxSender('', resolver), false);
  });
});
