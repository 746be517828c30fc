import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DnsAnswer, type Resolver } from '../ports/resolver.ts';
import { spfProblem, spfTexts } from './spf-record.ts';

type Zone = Readonly<Record<string, readonly string[] | 'down'>>;

/** How often it was asked is part of what is promised. */
function resolverOf(zone: Zone) {
  const asked: string[] = [];
  const resolver: Resolver = {
    resolve: (name, type) => {
      asked.push(`${type} ${name}`);
      return Promise.resolve(answerOf(zone[name]) as never);
    },
  };
  return { asked, resolver };
}

function answerOf(found: Zone[string] | undefined): DnsAnswer<string> {
  if (found === 'down') return { kind: 'temporary', reason: 'SERVFAIL' };
  const [first, ...rest] = found ?? [];
  if (first === undefined) return { kind: 'noName', ttl: 1, authenticated: false };
  return { kind: 'found', records: [first, ...rest], ttl: 1, authenticated: false };
}

const OWN = { domain: 'example.com', wanted: 'a:mx.example.net' };

async function look(text: string, zone: Zone = {}): Promise<string | undefined> {
  return spfProblem({ ...OWN, text }, resolverOf(zone).resolver);
}

const leaf = (name: string) => [`v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all`, name];
const many = (n: number) => Array.from({ length: n }, (_, at) => `a:h${at}.test`).join(' ');

describe('a record is right', () => {
  for (const [name, text, zone] of [
    ['by itself', 'v=spf1 a:mx.example.net ip4:192.0.2.1 ip6:2001:db8::1 ~all', {}],
    ['in capitals', 'V=SPF1 A:MX.example.net -ALL', {}],
    ['with a mechanism that is not ours to know: a modifier', 'v=spf1 mx exp=why.%{d} unknown=1 -all', {}],
    ['with prefixes', 'v=spf1 a:mx.example.net a/24 mx//64 a:b.test/24//64 ip4:0.0.0.0/0 ip6:::/0 -all', {}],
    ['with what it includes', 'v=spf1 include:_spf.b.test. -all', { '_spf.b.test': leaf('b') }],
    ['with what it is redirected to', 'v=spf1 redirect=b.test', { 'b.test': leaf('b') }],
    ['with exactly ten look-ups', `v=spf1 include:b.test ${many(4)} -all`, { 'b.test': [`v=spf1 ${many(5)} -all`] }],
    ['with terms behind "all", which nobody reads', `v=spf1 mx -all ${many(20)} include:none.test`, {}],
    ['with a redirect beside "all", which nobody follows', 'v=spf1 mx -all redirect=none.test', {}],
    ['with a macro, which depends on the client', 'v=spf1 include:%{i}._spf.b.test exists:%{l}.b.test -all', {}],
    [
      'with an include that counts against, though all is in it',
      'v=spf1 mx -include:b.test -all',
      { 'b.test': ['v=spf1 +all'] },
    ],
    [
      'with the same domain included on two ways',
      'v=spf1 include:b.test include:c.test -all',
      { 'b.test': ['v=spf1 include:d.test -all'], 'c.test': ['v=spf1 include:d.test -all'], 'd.test': leaf('d') },
    ],
  ] as const)
    test(name, async () => assert.equal(await look(text, zone), undefined));
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
      /could not be looked up now: SERVFAIL/,
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
      /^nothing in it names this server: add a:mx\.example\.net$/,
    ],
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
  const problem = await spfProblem({ ...OWN, text: 'v=spf1 include:evil.test -all' }, resolver);
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
