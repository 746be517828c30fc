import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type OAuthServer, oauthServer } from '../../test/lib/oauth-server.ts';
import { systemTimers } from '../runtime/timers.ts';
import { ask } from './http.ts';
import { IntrospectionCheck, type IntrospectionRules } from './introspection.ts';
import { Tokens } from './tokens.ts';

const NOW = 1_800_000_000;
const clock = { now: () => NOW * 1000 };
let server: OAuthServer;
const http = { timers: systemTimers, timeout: 5000, ca: undefined };

before(async () => (server = await oauthServer()));
after(() => server.close());
beforeEach(() => {
  server.answer = { code: 200, body: '' };
  server.tokens.clear();
  server.asked.clear();
  server.seen.length = 0;
});

function checkOf(rules: Partial<IntrospectionRules> = {}, more: Partial<typeof http> = {}): IntrospectionCheck {
  return new IntrospectionCheck(
    {
      ...{ url: `${server.url}/introspect`, clientId: 'post rider', secret: 'a:b%c', issuer: 'i', audience: [] },
      ...{ leeway: 30_000, userClaim: 'username', scope: undefined, ...rules },
    },
    { ...http, ...more },
    clock,
  );
}

describe('a token that is asked about', () => {
  const right = { active: true, username: 'ann', exp: NOW + 60, scope: 'a mail' };
  const cases: readonly (readonly [title: string, said: object, kind: string, rules?: Partial<IntrospectionRules>])[] =
    [
      ['is active', right, 'user'],
      ['is active without end', { active: true, username: 'ann' }, 'user'],
      ['is for us', { ...right, aud: ['x', 'p'] }, 'user', { audience: ['p'] }],
      ['has the scope', right, 'user', { scope: 'mail' }],
      ['is not active', { active: false, username: 'ann' }, 'refused'],
      ['has expired', { ...right, exp: NOW - 31 }, 'refused'],
      ['is for later', { ...right, nbf: NOW + 31 }, 'refused'],
      ['is for others', { ...right, aud: 'x' }, 'refused', { audience: ['p'] }],
      ['is for nobody', right, 'refused', { audience: ['p'] }],
      ['is of another issuer', { ...right, iss: 'x' }, 'refused'],
      ['lacks the scope', right, 'refused', { scope: 'mai' }],
      ['names nobody', { active: true }, 'refused'],
      ['is said to be "true"', { active: 'true', username: 'ann' }, 'unavailable'],
      ['is not spoken of', { username: 'ann' }, 'unavailable'],
      ['is answered by a list', [], 'unavailable'],
    ];
  for (const [title, said, kind, rules] of cases)
    test(title, async () => {
      server.tokens.set('t', said as Record<string, unknown>);
      assert.equal((await checkOf(rules).check('t')).kind, kind);
    });

  test('is sent in a form, and we prove who we are', async () => {
    await checkOf().check('a+b/c==&x=1');
    const [{ authorization, contentType, body } = { authorization: '', contentType: '', body: '' }] = server.seen;
    assert.equal(contentType, 'application/x-www-form-urlencoded');
    assert.equal(new URLSearchParams(body).get('token'), 'a+b/c==&x=1');
    const [, proof = ''] = /^Basic (.*)$/.exec(authorization ?? '') ?? [];
    assert.equal(Buffer.from(proof, 'base64').toString(), 'post+rider:a%3Ab%25c');
  });
});

describe('a server that gives no answer makes a login impossible for now, in words without the token:', () => {
  for (const code of [401, 302, 500, 204])
    test(`${code}`, async () => {
      server.answer = { code, body: '' };
      const found = await checkOf().check('very-secret');
      assert.ok(found.kind === 'unavailable');
      assert.match(found.reason, new RegExp(`answered ${code}$`));
      assert.doesNotMatch(found.reason, /very-secret/);
      assert.equal([...server.asked.values()].length, 1, 'no redirect is followed');
    });

  test('not there', async () => {
    const found = await checkOf({ url: 'http://127.0.0.1:1/introspect' }).check('t');
    assert.equal(found.kind, 'unavailable');
  });

  test('too slow', async () => {
    const timers = { after: (_: number, wake: () => void) => (setImmediate(wake), { cancel: () => undefined }) };
    const found = await checkOf({ url: `${server.url}/never` }, { timers }).check('t');
    assert.ok(found.kind === 'unavailable');
    assert.match(found.reason, /too slow/);
  });

  test('too many at once', async () => {
    const check = checkOf();
    server.tokens.set('t', { active: true, username: 'ann' });
    const found = await Promise.all(Array.from({ length: 40 }, () => check.check('t')));
    assert.equal(found.filter(({ kind }) => kind === 'user').length, 32);
    assert.equal(found.filter(({ kind }) => kind === 'unavailable').length, 8);
    assert.equal((await check.check('t')).kind, 'user', 'and then there is room again');
  });

  test('an answer without end', async () => {
    server.answer = { code: 200, body: 'x'.repeat(300_000) };
    await assert.rejects(ask({ url: `${server.url}/jwks` }, http), /more than 262144 octets/);
  });
});

describe('a token that was right', () => {
  const tokens = (now: () => number) =>
    new Tokens({ check: (token) => checkOf().check(token), remember: 60_000, clock: { now }, key: Buffer.alloc(32) });

  test('is asked about once, also where logins come together, and again after a while', async () => {
    let now = NOW * 1000;
    server.tokens.set('t', { active: true, username: 'ann' });
    const checked = tokens(() => now);
    await Promise.all([checked.check('t'), checked.check('t')]);
    for (let n = 0; n < 20; n += 1) assert.equal((await checked.check('t')).kind, 'user');
    assert.equal(server.asked.get('/introspect'), 1);
    now += 60_000;
    await checked.check('t');
    assert.equal(server.asked.get('/introspect'), 2);
  });

  test('is not remembered beyond its end, nor when the clock is set back', async () => {
    let now = NOW * 1000;
    server.tokens.set('t', { active: true, username: 'ann', exp: NOW + 10 });
    const checked = tokens(() => now);
    await checked.check('t');
    now += 10_000;
    await checked.check('t');
    assert.equal(server.asked.get('/introspect'), 2);
    now -= 3_600_000;
    await checked.check('t');
    assert.equal(server.asked.get('/introspect'), 3);
  });

  test('is not remembered when it was wrong, or nobody knew', async () => {
    const checked = tokens(() => NOW * 1000);
    assert.equal((await checked.check('t')).kind, 'refused');
    server.answer = { code: 500, body: '' };
    assert.equal((await checked.check('t')).kind, 'unavailable');
    server.answer = { code: 200, body: '' };
    server.tokens.set('t', { active: true, username: 'ann' });
    assert.equal((await checked.check('t')).kind, 'user');
  });
});
