import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  formatStsPolicy,
  matchesStsHost,
  MAX_MAX_AGE,
  parseStsPolicy,
  parseStsRecord,
  stsPolicyFor,
  stsPolicyId,
  stsRecordText,
} from './mta-sts.ts';

const found = (id: string) => ({ kind: 'found', id });

describe('the DNS record', () => {
  const cases = [
    { name: 'with a final semicolon', texts: ['v=STSv1; id=20160831085700Z;'], want: found('20160831085700Z') },
    { name: 'without one', texts: ['v=STSv1; id=1'], want: found('1') },
    { name: 'without spaces', texts: ['v=STSv1;id=a1'], want: found('a1') },
    { name: 'with spaces and tabs about the semicolons', texts: ['v=STSv1 ;\t id=a1 ; '], want: found('a1') },
    { name: 'unknown fields are passed over', texts: ['v=STSv1; x=1; id=7; some.ext=a/b:c'], want: found('7') },
    { name: 'of two ids the first counts', texts: ['v=STSv1; id=1; id=2'], want: found('1') },
    { name: '32 characters', texts: [`v=STSv1; id=${'a'.repeat(32)}`], want: found('a'.repeat(32)) },
    { name: 'other TXT records beside it are discarded', texts: ['v=spf1 -all', 'v=STSv1; id=3'], want: found('3') },
    { name: 'no record', texts: [], want: 'none' },
    { name: 'a record of something else', texts: ['v=spf1 -all', 'hello'], want: 'none' },
    { name: 'another version', texts: ['v=STSv2; id=1'], want: 'none' },
    { name: 'the version is not first', texts: ['id=1; v=STSv1'], want: 'none' },
    { name: 'the version in another case', texts: ['v=stsv1; id=1'], want: 'none' },
    { name: 'two records', texts: ['v=STSv1; id=1', 'v=STSv1; id=2'], want: 'invalid' },
    { name: 'no id', texts: ['v=STSv1;'], want: 'invalid' },
    { name: 'only the version', texts: ['v=STSv1'], want: 'invalid' },
    { name: 'an empty id', texts: ['v=STSv1; id='], want: 'invalid' },
    { name: 'an id that is too long', texts: [`v=STSv1; id=${'a'.repeat(33)}`], want: 'invalid' },
    { name: 'an id with other characters', texts: ['v=STSv1; id=2016-08-31'], want: 'invalid' },
    { name: 'a field that is none', texts: ['v=STSv1; id=1; nonsense'], want: 'invalid' },
    { name: 'an empty field', texts: ['v=STSv1;; id=1'], want: 'invalid' },
  ];
  for (const { name, texts, want } of cases) {
    test(name, () => {
      const record = parseStsRecord(texts);
      assert.deepEqual(typeof want === 'string' ? record.kind : record, want);
    });
  }

  test('whatever the texts are, it answers', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.string().map((rest) => `v=STSv1;${rest}`),
          ),
        ),
        (texts) => {
          const record = parseStsRecord(texts);
          if (record.kind === 'found') assert.match(record.id, /^[A-Za-z0-9]{1,32}$/);
        },
      ),
    );
  });
});

const POLICY = 'version: STSv1\nmode: enforce\nmx: mx1.b.test\nmx: *.b.test\nmax_age: 86400\n';

describe('the policy', () => {
  const good = [
    { name: 'with LF', text: POLICY, want: { mode: 'enforce', mx: ['mx1.b.test', '*.b.test'], maxAge: 86_400 } },
    {
      name: 'with CRLF',
      text: POLICY.replaceAll('\n', '\r\n'),
      want: { mode: 'enforce', mx: ['mx1.b.test', '*.b.test'], maxAge: 86_400 },
    },
    {
      name: 'without a line end at its end',
      text: POLICY.trimEnd(),
      want: { mode: 'enforce', mx: ['mx1.b.test', '*.b.test'], maxAge: 86_400 },
    },
    {
      name: 'in another order',
      text: 'mx: a.test\nmax_age: 1\nmode: testing\nversion: STSv1',
      want: { mode: 'testing', mx: ['a.test'], maxAge: 1 },
    },
    {
      name: 'without spaces, and with many',
      text: 'version:STSv1\nmode :\t testing \nmx:a.test  \nmax_age:1',
      want: { mode: 'testing', mx: ['a.test'], maxAge: 1 },
    },
    {
      name: 'names in another case',
      text: 'version: STSv1\nmode: enforce\nmx: MX.B.Test\nmx: mx.b.test\nmax_age: 1',
      want: { mode: 'enforce', mx: ['mx.b.test'], maxAge: 1 },
    },
    {
      name: 'unknown fields',
      text: `${POLICY}x-note: hello: world\n`,
      want: { mode: 'enforce', mx: ['mx1.b.test', '*.b.test'], maxAge: 86_400 },
    },
    {
      name: 'of a field given twice the first counts',
      text: `${POLICY}mode: none\nmax_age: 5\nversion: STSv9`,
      want: { mode: 'enforce', mx: ['mx1.b.test', '*.b.test'], maxAge: 86_400 },
    },
    {
      name: 'none needs no mx',
      text: 'version: STSv1\nmode: none\nmax_age: 60',
      want: { mode: 'none', mx: [], maxAge: 60 },
    },
    {
      name: 'max_age above a year is a year',
      text: 'version: STSv1\nmode: none\nmax_age: 9999999999',
      want: { mode: 'none', mx: [], maxAge: MAX_MAX_AGE },
    },
    {
      name: 'max_age of nothing',
      text: 'version: STSv1\nmode: none\nmax_age: 0',
      want: { mode: 'none', mx: [], maxAge: 0 },
    },
    {
      name: 'an empty line',
      text: 'version: STSv1\n\nmode: none\nmax_age: 1\n\n',
      want: { mode: 'none', mx: [], maxAge: 1 },
    },
  ];
  for (const { name, text, want } of good)
    test(name, () => assert.deepEqual(parseStsPolicy(text), { ok: true, value: want }));

  const bad = [
    { name: 'nothing', text: '', says: /version is missing/ },
    { name: 'a web page', text: '<!DOCTYPE html>\n<html></html>', says: /line 1 is not a field/ },
    { name: 'another version', text: POLICY.replace('STSv1', 'STSv2'), says: /version is "STSv2"/ },
    { name: 'no mode', text: 'version: STSv1\nmx: a.test\nmax_age: 1', says: /mode is missing/ },
    { name: 'another mode', text: POLICY.replace('enforce', 'Enforce'), says: /mode is "Enforce"/ },
    { name: 'no max_age', text: 'version: STSv1\nmode: none', says: /max_age is missing/ },
    { name: 'a negative max_age', text: POLICY.replace('86400', '-1'), says: /max_age is "-1"/ },
    { name: 'a max_age of eleven digits', text: POLICY.replace('86400', '1'.repeat(11)), says: /max_age/ },
    { name: 'enforce without mx', text: 'version: STSv1\nmode: enforce\nmax_age: 1', says: /there is no mx/ },
    { name: 'testing without mx', text: 'version: STSv1\nmode: testing\nmax_age: 1', says: /there is no mx/ },
    { name: 'an asterisk alone', text: POLICY.replace('*.b.test', '*'), says: /mx "\*"/ },
    { name: 'an asterisk inside a label', text: POLICY.replace('*.b.test', 'mx*.b.test'), says: /mx "mx/ },
    { name: 'two asterisks', text: POLICY.replace('*.b.test', '*.*.test'), says: /mx/ },
    { name: 'an address', text: POLICY.replace('*.b.test', '[192.0.2.1]'), says: /mx/ },
    { name: 'an empty mx', text: POLICY.replace('*.b.test', ''), says: /mx ""/ },
    { name: 'a final dot', text: POLICY.replace('*.b.test', 'b.test.'), says: /mx/ },
    { name: 'more mx than any domain has', text: `${POLICY}${'mx: a.test\n'.repeat(1000)}`, says: /more than 1000 mx/ },
    { name: 'NUL', text: `${POLICY}\0`, says: /line 6 is not a field/ },
  ];
  for (const { name, text, says } of bad) {
    test(`${name} is no policy`, () => {
      const policy = parseStsPolicy(text);
      assert.ok(!policy.ok);
      assert.match(policy.reason, says);
    });
  }

  test('what is written is read', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,10}$/);
    const pattern = fc.tuple(fc.constantFrom('', '*.'), label, label).map(([star, a, b]) => `${star}${a}.${b}`);
    const fields = {
      mode: fc.constantFrom('enforce' as const, 'testing' as const),
      mx: fc.uniqueArray(pattern, { minLength: 1, maxLength: 20 }),
      maxAge: fc.nat(MAX_MAX_AGE),
    };
    const policies = fc.record(fields, { noNullPrototype: true });
    fc.assert(
      fc.property(policies, (policy) => {
        assert.deepEqual(parseStsPolicy(formatStsPolicy(policy)), { ok: true, value: policy });
        assert.deepEqual(parseStsRecord([stsRecordText(policy)]), { kind: 'found', id: stsPolicyId(policy) });
      }),
    );
  });

  test('whatever the text is, it answers, and what it answers is bounded', () => {
    const line = fc.oneof(fc.string(), fc.constantFrom(...POLICY.trimEnd().split('\n')));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const policy = parseStsPolicy(lines.join('\n'));
        if (policy.ok) assert.ok(policy.value.maxAge <= MAX_MAX_AGE);
      }),
    );
  });

  test('the id follows what it says', () => {
    const policy = { mode: 'enforce', mx: ['mx.b.test'], maxAge: 60 } as const;
    assert.equal(stsPolicyId(policy), stsPolicyId({ ...policy }));
    assert.notEqual(stsPolicyId(policy), stsPolicyId({ ...policy, maxAge: 61 }));
  });
});

describe('which hosts a policy allows', () => {
  const cases = [
    { pattern: 'mx.b.test', host: 'mx.b.test', want: true },
    { pattern: 'mx.b.test', host: 'MX.B.test', want: true },
    { pattern: 'mx.b.test', host: 'a.mx.b.test', want: false },
    { pattern: 'b.test', host: 'mx.b.test', want: false },
    { pattern: '*.b.test', host: 'mx.b.test', want: true },
    { pattern: '*.b.test', host: 'b.test', want: false },
    { pattern: '*.b.test', host: 'a.mx.b.test', want: false },
    { pattern: '*.b.test', host: '.b.test', want: false },
    { pattern: '*.b.test', host: 'mxb.test', want: false },
    { pattern: '*.test', host: 'b.test', want: true },
    { pattern: '*.b.test', host: '192.0.2.1', want: false },
  ];
  for (const { pattern, host, want } of cases)
    test(`${pattern} ${want ? 'allows' : 'does not allow'} ${host}`, () =>
      assert.equal(matchesStsHost({ mx: [pattern] }, host), want));

  test('what is carried along names only patterns that allow one of the hosts', () => {
    const policy = { mode: 'enforce', mx: ['*.b.test', 'mx.c.test', 'd.test'], maxAge: 60 } as const;
    const hosts = [{ name: 'MX1.b.test' }, { name: 'mx.c.test' }, { name: 'e.test' }];
    const carried = stsPolicyFor(policy, hosts);
    assert.deepEqual(carried.mx, ['*.b.test', 'mx.c.test']);
    for (const { name } of hosts) assert.equal(matchesStsHost(carried, name), matchesStsHost(policy, name));
  });
});
