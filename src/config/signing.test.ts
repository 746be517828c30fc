import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '../lib/schema-reading.ts';
import { readConfig } from './config.ts';

const KEY = { domain: 'example.com', selector: '2026a', file: 'dkim/a.pem' };
const RULE = { senders: ['example.com'] };

function read(signing: object) {
  return readConfig({ hostname: 'mx.example.com', signing }, '/etc/postrider');
}

describe('signing, as it is written', () => {
  test('nothing: nobody signs', () => {
    const config = read({});
    assert.ok(config.ok);
    assert.deepEqual(config.value.signing, {
      ...{ keys: [], rules: [], canonicalization: 'relaxed/relaxed', fields: [], expireAfter: undefined },
    });
  });

  test('a key: its file is beside the configuration', () => {
    const config = read({ keys: [KEY, { ...KEY, selector: '2026b', algorithm: 'ed25519-sha256', file: '/k/b.pem' }] });
    assert.ok(config.ok);
    assert.deepEqual(
      config.value.signing.keys.map(({ file, algorithm }) => [file, algorithm]),
      [
        ['/etc/postrider/dkim/a.pem', 'rsa-sha256'],
        ['/k/b.pem', 'ed25519-sha256'],
      ],
    );
  });

  const wrong: readonly (readonly [string, object, RegExp])[] = [
    ['a key without a selector', { keys: [{ ...KEY, selector: undefined }] }, /^signing\.keys\[0\]\.selector: missing/],
    [
      'a selector that is no name',
      { keys: [{ ...KEY, selector: 'a b' }] },
      /^signing\.keys\[0\]\.selector: "a b" is not letters/,
    ],
    ['a selector with an empty label', { keys: [{ ...KEY, selector: 'a..b' }] }, /^signing\.keys\[0\]\.selector/],
    [
      'a key twice',
      { keys: [KEY, KEY] },
      /^signing\.keys\[1\]\.selector: another key is called 2026a\._domainkey\.example\.com too/,
    ],
    ['rsa-sha1 (RFC 8301 §3.1)', { keys: [{ ...KEY, algorithm: 'rsa-sha1' }] }, /^signing\.keys\[0\]\.algorithm/],
    ['a rule for nobody', { rules: [{ senders: [] }] }, /^signing\.rules\[0\]\.senders: it matches nobody/],
    [
      'a rule by which no domain signs',
      { rules: [{ ...RULE, domains: [] }] },
      /^signing\.rules\[0\]\.domains: no domain would sign/,
    ],
    ['a field that changes on the way', { fields: ['Received'] }, /^signing\.fields\[0\].*Received/],
    ['a field that is no name', { rules: [{ ...RULE, fields: ['a:b'] }] }, /^signing\.rules\[0\]\.fields\[0\]/],
    ['another canonicalization', { canonicalization: 'relaxed' }, /^signing\.canonicalization.*relaxed\/relaxed/],
    ['an expiry of no time', { expireAfter: '1s' }, /^signing\.expireAfter.*at least 1h/],
  ];
  for (const [name, signing, problem] of wrong)
    test(`refused: ${name}`, () => {
      const config = read(signing);
      const problems = config.ok ? [] : config.problems.map(formatProblem);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', problem);
    });
});
