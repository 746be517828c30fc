import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { jwksOf, jwt, makePair } from '../../test/lib/oauth-server.ts';
import { TOKEN_ALGORITHMS } from './config.ts';
import { JwtCheck } from './jwt.ts';
import { FetchedKeys, keysIn } from './key-set.ts';

const [one, two] = [makePair('ES256', 'one'), makePair('ES256', 'two')];
const MINUTE = 60_000;

function world() {
  const clock = new HandClock();
  const served = { body: jwksOf(one), fails: false, fetches: 0 };
  const fetch = async (): Promise<string> => {
    served.fetches += 1;
    await Promise.resolve();
    if (served.fails) throw new Error('id.test: it was too slow');
    return served.body;
  };
  const keys = new FetchedKeys(fetch, clock);
  const rules = {
    ...{ issuer: 'i', audience: ['a'], algorithms: TOKEN_ALGORITHMS, leeway: 0 },
    ...{ userClaim: 'sub', scope: undefined },
  };
  const check = new JwtCheck(rules, keys, { now: () => 0 });
  const login = async (pair = one): Promise<string> => {
    const found = await check.check(jwt(pair, { iss: 'i', aud: 'a', exp: 100, sub: 'ann' }));
    return found.kind === 'unavailable' ? `${found.kind}: ${found.reason}` : found.kind;
  };
  return { clock, served, login };
}

describe('keys that are fetched', () => {
  test('are fetched once for many tokens, also for those that come together', async () => {
    const { served, login } = world();
    assert.deepEqual(await Promise.all([login(), login(), login()]), ['user', 'user', 'user']);
    for (let n = 0; n < 20; n += 1) await login();
    assert.equal(served.fetches, 1);
  });

  test('are fetched again after a while, and for a key that is new, but not for each that is made up', async () => {
    const { served, login, clock } = world();
    await login();
    served.body = jwksOf(one, two);
    clock.advance(31_000);
    assert.equal(await login(two), 'user');
    assert.equal(served.fetches, 2);
    for (let n = 0; n < 20; n += 1) assert.equal(await login(makePair('ES256', `x${n}`)), 'refused');
    assert.equal(served.fetches, 2);
    clock.advance(11 * MINUTE);
    await login();
    assert.equal(served.fetches, 3);
  });

  test('that cannot be had make a login impossible for now, and are not asked for at each', async () => {
    const { served, login, clock } = world();
    served.fails = true;
    for (let n = 0; n < 20; n += 1)
      assert.equal(await login(), 'unavailable: the keys of the issuer cannot be had: Error: id.test: it was too slow');
    assert.equal(served.fetches, 1);
    served.fails = false;
    clock.advance(31_000);
    assert.equal(await login(), 'user');
  });

  test('are good for a day when they cannot be had anew', async () => {
    const { served, login, clock } = world();
    await login();
    served.fails = true;
    clock.advance(23 * 60 * MINUTE);
    assert.equal(await login(), 'user');
    clock.advance(2 * 60 * MINUTE);
    assert.match(await login(), /^unavailable/);
  });

  test('an issuer that serves something else is as good as none', async () => {
    for (const body of ['<html>', '[]', 'null', '{"keys":1}', '{"keys":[]}']) {
      const { served, login } = world();
      served.body = body;
      assert.match(await login(), /^unavailable/);
    }
  });
});

test('secrets, and more keys than anybody has, are no set of public keys', () => {
  assert.throws(() => keysIn('{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}'), /no public key/);
  assert.throws(
    () => keysIn(JSON.stringify({ keys: Array.from({ length: 101 }, () => ({ kty: 'RSA' })) })),
    /more than/,
  );
  assert.throws(() => keysIn('{"keys":[null,1,"x"]}'), /no public key/);
  assert.throws(
    () => keysIn('secret'),
    (error: Error) => !error.message.includes('secret'),
  );
});
