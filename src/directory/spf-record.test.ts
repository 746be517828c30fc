import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DnsAnswer, type Resolver } from '../ports/resolver.ts';
import { type Finding } from './finding.ts';
import { type HostAddresses } from './host-addresses.ts';
import { type OwnSpf, spfFinding } from './spf-record.ts';
import { spfTexts } from './spf-terms.ts';

type Zone = Readonly<Record<string, readonly unknown[] | 'down'>>;

/** Names alone are TXT; `A name` is something else. This server is there always. */
function resolverOf(zone: Zone): Resolver {
  const all: Zone = { 'A mx.example.net': ['192.0.2.1'], 'AAAA mx.example.net': ['2001:db8::1'], ...zone };
  return {
    resolve: (name, type) => Promise.resolve(answerOf(all[type === 'TXT' ? name : `${type} ${name}`]) as never),
  };
}

function answerOf(found: Zone[string] | undefined): DnsAnswer<unknown> {
  if (found === 'down') return { kind: 'temporary', reason: 'SERVFAIL' };
  const [first, ...rest] = found ?? [];
  if (first === undefined) return { kind: 'noName', ttl: 1, authenticated: false };
  return { kind: 'found', records: [first, ...rest], ttl: 1, authenticated: false };
}

const HOST: HostAddresses = {
  ...{ host: 'mx.example.net', end: 'mx.example.net', unanswered: undefined },
  addresses: { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
};
const OWN: Omit<OwnSpf, 'text'> = {
  ...{ domain: 'example.com', wanted: 'a:mx.example.net', host: HOST, sendsBy: ['A', 'AAAA'] },
};

function lookAt(text: string, zone: Zone = {}, own: Partial<OwnSpf> = {}): Promise<Finding> {
  return spfFinding({ ...OWN, ...own, text }, resolverOf(zone));
}

async function look(text: string, zone: Zone = {}): Promise<string | undefined> {
  return (await lookAt(text, zone)).problem;
}

const leaf = (name: string) => [`v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all`, name];
const many = (n: number) => Array.from({ length: n }, (_, at) => `a:h${at}.test`).join(' ');

/** The server takes the domain's mail. */
const MX: Zone = { 'MX example.com': [{ preference: 10, exchange: 'mx.example.net' }] };

describe('a record is right', () => {
  for (const [name, text, zone] of [
    ['by itself', 'v=spf1 a:mx.example.net ip4:192.0.2.1 ip6:2001:db8::1 ~all', {}],
    ['by addresses', 'v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all', {}],
    ['in capitals', 'V=SPF1 A:MX.example.net -ALL', {}],
    ['with a mechanism that is not ours to know: a modifier', 'v=spf1 mx exp=why.%{d} unknown=1 -all', MX],
    ['with prefixes', 'v=spf1 a:mx.example.net a/24 mx//64 a:b.test/24//64 ip4:0.0.0.0/0 ip6:::/0 -all', {}],
    ['with what it includes', 'v=spf1 include:_spf.b.test. -all', { '_spf.b.test': leaf('b') }],
    ['with what it is redirected to', 'v=spf1 redirect=b.test', { 'b.test': leaf('b') }],
    [
      'with exactly ten look-ups',
      `v=spf1 include:b.test ${many(4)} ip4:192.0.2.1 ip6:2001:db8::1 -all`,
      { 'b.test': [`v=spf1 ${many(5)} -all`] },
    ],
    ['with terms behind "all", which nobody reads', `v=spf1 mx -all ${many(20)} include:none.test`, MX],
    ['with a redirect beside "all", which nobody follows', 'v=spf1 mx -all redirect=none.test', MX],
    ['with a macro, where the rest names it', 'v=spf1 include:%{i}._spf.b.test exists:%{l}.b.test mx -all', MX],
    [
      'with an include that counts against, though all is in it',
      'v=spf1 mx -include:b.test -all',
      { ...MX, 'b.test': ['v=spf1 +all'] },
    ],
    [
      'with the same domain included on two ways',
      'v=spf1 include:b.test include:c.test -all',
      { 'b.test': ['v=spf1 include:d.test -all'], 'c.test': ['v=spf1 include:d.test -all'], 'd.test': leaf('d') },
    ],
  ] as const)
    test(name, async () => assert.equal(await look(text, zone), undefined));
});

const NAMES_NOT = /^nothing in it names 192\.0\.2\.1 \(mx\.example\.net\): add a:mx\.example\.net$/;

describe('a record is not said to be right', () => {
  for (const [name, text, state, problem, parts] of [
    ['where an include is not answered for', 'v=spf1 include:b.test -all', 'noAnswer', /^b\.test could not/, {}],
    ['where a host is not answered for', 'v=spf1 a:b.test -all', 'noAnswer', /^b\.test could not/, {}],
    ['where a macro decides', 'v=spf1 exists:%{i}.b.test -all', 'notChecked', /"exists:%\{i\}\.b\.test", which/, {}],
    ['where ptr decides', 'v=spf1 ptr:c.test -all', 'notChecked', /depends on "ptr:c\.test"/, {}],
    [
      ...[
        'where this server is not answered for',
        'v=spf1 a:mx.example.net -all',
        'noAnswer',
        /^mx\.example\.net could/,
      ],
      { host: { ...HOST, unanswered: 'SERVFAIL' } },
    ],
    [
      ...[
        'where this server has no address',
        'v=spf1 a:mx.example.net -all',
        'wrong',
        /has no address in DNS \(A, AAAA\)/,
      ],
      { host: { ...HOST, addresses: { A: [], AAAA: [] } } },
    ],
    [
      'where mail leaves by others',
      'v=spf1 a:b.test -all',
      'notChecked',
      /leaves by the hosts of routes/,
      { sendsBy: [] },
    ],
  ] as const)
    test(name, async () => {
      const found = await lookAt(text, { 'b.test': 'down', 'A b.test': 'down' }, parts);
      assert.equal(found.state, state);
      assert.match(found.problem ?? '', problem);
    });

  test('and IPv6 does not count where mail leaves by IPv4 alone', async () => {
    const found = await lookAt('v=spf1 ip4:192.0.2.1 -all', {}, { sendsBy: ['A'] });
    assert.equal(found.state, 'right');
  });
});

describe('a record is wrong', () => {
  const cases: readonly (readonly [string, string, Zone, RegExp])[] = [
    [
      'too many look-ups in all: it says how many, and of which term',
      'v=spf1 include:b.test include:c.test mx -all',
      {
        'b.test': [`v=spf1 ${many(6)} -all`],
        'c.test': [`v=spf1 include:d.test -all`],
        'd.test': [`v=spf1 ${many(2)} -all`],
      },
      /^it needs 12 look-ups \(include:b\.test 7, include:c\.test 4, mx 1\), and receivers stop after 10/,
    ],
    [
      'eleven by a redirect',
      `v=spf1 ${many(10)} redirect=b.test`,
      { 'b.test': leaf('b') },
      /needs 11 look-ups .*redirect=b\.test 1\)/,
    ],
    ['more than anybody counts', `v=spf1 ${many(5000)} -all`, {}, /more than 40 look-ups \(a:h0\.test 1, .*, …\)/],
    [
      'a circle',
      'v=spf1 include:b.test -all',
      { 'b.test': ['v=spf1 include:c.test -all'], 'c.test': ['v=spf1 include:B.test. -all'] },
      /^it leads in a circle: example\.com → b\.test → c\.test → b\.test$/,
    ],
    ['a circle of one', 'v=spf1 redirect=example.com', {}, /circle: example\.com → example\.com/],
    [
      'an include of nothing',
      'v=spf1 include:b.test -all',
      { 'b.test': ['hello'] },
      /"include:b\.test" leads to no SPF record/,
    ],
    ['a redirect to nothing', 'v=spf1 redirect=b.test', {}, /"redirect=b\.test" leads to no SPF record/],
    [
      'an include of two records',
      'v=spf1 include:b.test -all',
      { 'b.test': ['v=spf1 -all', 'v=spf1 mx -all'] },
      /"include:b\.test" leads to 2 SPF records/,
    ],
    [
      'an answer that does not come',
      'v=spf1 include:b.test -all',
      { 'b.test': 'down' },
      /^b\.test could not be looked up now: SERVFAIL$/,
    ],
    ['everybody', 'v=spf1 mx +all', {}, /^"\+all" lets everybody send as the domain: end it with ~all or -all$/],
    ['everybody, without a sign', 'v=spf1 mx ALL', {}, /everybody/],
    [
      'everybody by an include',
      'v=spf1 include:b.test -all',
      { 'b.test': ['v=spf1 all'] },
      /"include:b\.test" lets everybody/,
    ],
    ['everybody by a redirect', 'v=spf1 redirect=b.test', { 'b.test': ['v=spf1 +all'] }, /"\+all" lets everybody/],
    ['what is no term', 'v=spf1 inlcude:b.test -all', {}, /"inlcude:b\.test" is no term of SPF/],
    [
      'what is no term, in what it includes',
      'v=spf1 include:b.test -all',
      { 'b.test': ['v=spf1 ip4=192.0.2.1 192.0.2.1 -all'] },
      /^in the record of b\.test: "192\.0\.2\.1" is no term/,
    ],
    ['an include of no domain', 'v=spf1 include: -all', {}, /"include:" is not whole/],
    ['an include of what cannot be a name', `v=spf1 include:${'x'.repeat(64)}.test -all`, {}, /names no domain/],
    ['an address that is none', 'v=spf1 ip4:192.0.2 -all', {}, /"ip4:192\.0\.2" is not whole or not right/],
    ['an address of the other kind', 'v=spf1 ip4:2001:db8::1 -all', {}, /"ip4:2001:db8::1" is not/],
    ['a prefix too long', 'v=spf1 ip4:192.0.2.0/33 -all', {}, /"ip4:192\.0\.2\.0\/33"/],
    ['two redirects', 'v=spf1 redirect=b.test redirect=b.test', { 'b.test': leaf('b') }, /may stand there once/],
    [
      'only others',
      'v=spf1 a:other.test -ip4:192.0.2.1 -all',
      {},
      /^"-ip4:192\.0\.2\.1" stands before, and keeps 192\.0\.2\.1 \(mx\.example\.net\) from sending: take it out, and add a:mx/,
    ],
    ['an address of another host', 'v=spf1 ip4:203.0.113.5 -all', {}, NAMES_NOT],
    ['no term at all', 'v=spf1', {}, NAMES_NOT],
    ['IPv4 alone', 'v=spf1 ip4:192.0.2.1 -all', {}, /names 2001:db8::1 \(mx\.example\.net\): add a:mx/],
    ['a network beside it', 'v=spf1 ip4:192.0.2.128/25 ip6:2001:db8:1::/48 -all', {}, NAMES_NOT],
    ['MX that lead elsewhere', 'v=spf1 mx -all', { 'MX example.com': [{ exchange: 'b.test' }] }, NAMES_NOT],
    ['a host elsewhere', 'v=spf1 a:b.test -all', { 'A b.test': ['203.0.113.5'] }, NAMES_NOT],
    ['an include of others', 'v=spf1 include:b.test -all', { 'b.test': ['v=spf1 ip4:203.0.113.5 -all'] }, NAMES_NOT],
    ['a redirect to others', 'v=spf1 redirect=b.test', { 'b.test': ['v=spf1 ip4:203.0.113.5 -all'] }, NAMES_NOT],
    ['this server, doubted', 'v=spf1 ?a:mx.example.net -all', {}, /^"\?a:mx\.example\.net" stands before/],
    [
      'controls in what others publish',
      'v=spf1 include:b.test -all',
      { 'b.test': ['v=spf1 \u001b[31m -all'] },
      /"\?\[31m" is no term/,
    ],
  ];
  for (const [name, text, zone, problem] of cases)
    test(name, async () => assert.match((await look(text, zone)) ?? 'nothing', problem));
});

test('a tree without an end is left after so many questions, and so is one that is wrong everywhere', async () => {
  const asked: string[] = [];
  const resolver: Resolver = {
    resolve: (name, type) => {
      asked.push(`${type} ${name}`);
      const records = [`v=spf1 include:a.${name} include:b.${name} nonsense -all`];
      return Promise.resolve({ kind: 'found', records, ttl: 1, authenticated: false } as never);
    },
  };
  const { problem } = await spfFinding({ ...OWN, text: 'v=spf1 include:evil.test -all' }, resolver);
  assert.match(problem ?? '', /more than 40 look-ups/);
  assert.ok(asked.length <= 41, `${asked.length}`);
  assert.ok((problem ?? '').length < 1500, `${problem?.length}`);
});

test('whatever stands there, there is an answer', async () => {
  const words = fc.constantFrom(
    'include:b.test',
    'redirect=b.test',
    'all',
    '-all',
    'mx',
    'a:',
    'exists:%{i}',
    '',
    '\t',
    'x=',
    '/',
  );
  const texts = fc.array(fc.oneof(words, fc.string()), { maxLength: 8 }).map((all) => `v=spf1 ${all.join(' ')}`);
  await fc.assert(
    fc.asyncProperty(texts, texts, async (own, other) => {
      const problem = await look(own, { 'b.test': [other] });
      assert.ok(problem === undefined || /^[\x20-\x7e→…]+$/.test(problem), problem);
    }),
  );
});

test('only what begins with the version is a record of SPF', () => {
  assert.deepEqual(spfTexts(['v=spf1', 'v=spf1 -all', 'V=spf1 mx', 'v=spf10 -all', ' v=spf1 -all', 'x']), [
    ...['v=spf1', 'v=spf1 -all', 'V=spf1 mx'],
  ]);
});
