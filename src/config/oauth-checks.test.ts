import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConfig } from './config.ts';

const LISTENER = { name: 'submission', port: 587, auth: 'required' };
const NAMES = { issuer: 'https://id.test', audience: ['mail'] };
const ASKING = { url: 'https://id.test/introspect', clientId: 'c', secretFile: 's' };

function problemsOf(oauth: object, listener: object = {}): readonly string[] {
  const written = { hostname: 'mx.test', listeners: [{ ...LISTENER, ...listener }], oauth };
  const read = readConfig(written, '/etc/postrider');
  return read.ok ? [] : read.problems.map(({ path, fix }) => `${path}: ${fix}`);
}

describe('options of logins by token', () => {
  const right: readonly (readonly [title: string, oauth: object])[] = [
    ['nothing', {}],
    ['keys from an address', { ...NAMES, jwksUrl: 'https://id.test/jwks' }],
    ['keys from this machine', { ...NAMES, jwksUrl: 'http://127.0.0.1:8080/jwks' }],
    ['keys from this machine, by IPv6', { ...NAMES, jwksUrl: 'http://[::1]:8080/jwks' }],
    ['keys from a file', { ...NAMES, jwksFile: 'jwks.json' }],
    ['asking about each', { introspection: ASKING }],
  ];
  for (const [title, oauth] of right) test(title, () => assert.deepEqual(problemsOf(oauth), []));

  const wrong: readonly (readonly [title: string, oauth: object, problem: RegExp, listener?: object])[] = [
    ['keys in clear text', { ...NAMES, jwksUrl: 'http://id.test/jwks' }, /^oauth\.jwksUrl/],
    [
      'keys from what only looks like this machine',
      { ...NAMES, jwksUrl: 'http://127.0.0.1.id.test/' },
      /^oauth\.jwksUrl/,
    ],
    ['a password in the address', { ...NAMES, jwksUrl: 'https://a:b@id.test/jwks' }, /^oauth\.jwksUrl/],
    ['a file as an address', { ...NAMES, jwksUrl: 'file:///etc/jwks' }, /^oauth\.jwksUrl/],
    ['asking in clear text', { introspection: { ...ASKING, url: 'http://id.test/' } }, /^oauth\.introspection\.url/],
    ['two ways', { ...NAMES, jwksUrl: 'https://id.test/', jwksFile: 'a' }, /^oauth\.jwksFile: leave one/],
    ['keys and asking', { ...NAMES, jwksFile: 'a', introspection: ASKING }, /^oauth\.introspection\.url: leave one/],
    ['no way', NAMES, /^oauth: write oauth\.jwksUrl/],
    ['keys without the issuer', { jwksFile: 'a', audience: ['mail'] }, /^oauth\.issuer: write what stands/],
    ['keys for everybody', { jwksFile: 'a', issuer: 'i' }, /^oauth\.audience: write what stands/],
    ['asking as nobody', { introspection: { url: ASKING.url, secretFile: 's' } }, /^oauth\.introspection\.clientId/],
    [
      'asking without a secret',
      { introspection: { url: ASKING.url, clientId: 'c' } },
      /^oauth\.introspection\.secretFile/,
    ],
    ['a shared secret', { ...NAMES, jwksFile: 'a', algorithms: ['HS256'] }, /^oauth\.algorithms\[0\]/],
    ['no signature', { ...NAMES, jwksFile: 'a', algorithms: ['none'] }, /^oauth\.algorithms\[0\]/],
    ['no algorithm', { ...NAMES, jwksFile: 'a', algorithms: [] }, /^oauth\.algorithms: /],
    ['nobody who logs in', { introspection: ASKING }, /^oauth\.introspection\.url: write auth/, { auth: 'off' }],
    [
      'other mechanisms alone',
      { introspection: ASKING },
      /^oauth\.introspection\.url: /,
      { authMechanisms: ['PLAIN'] },
    ],
  ];
  for (const [title, oauth, problem, listener] of wrong)
    test(title, () => assert.match(problemsOf(oauth, listener)[0] ?? '', problem));
});

test('files are beside the configuration', () => {
  const oauth = { ...NAMES, introspection: { ...ASKING, secretFile: 'secret' }, ca: '/ca.pem' };
  const read = readConfig({ hostname: 'mx.test', listeners: [LISTENER], oauth }, '/etc/postrider');
  assert.ok(read.ok);
  assert.equal(read.value.oauth.introspection.secretFile, '/etc/postrider/secret');
  assert.equal(read.value.oauth.ca, '/ca.pem');
});
