import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encoded, type Fields, jwksOf, jwkOf, jwt, makePair } from '../../test/lib/oauth-server.ts';
import { type Checked } from './claims.ts';
import { TOKEN_ALGORITHMS } from './config.ts';
import { JwtCheck, type JwtRules } from './jwt.ts';
import { fixedKeys, keysIn } from './key-set.ts';

const NOW = 1_800_000_000;
const ISSUER = 'https://id.test/';
const CLAIMS = { iss: ISSUER, aud: 'postrider', exp: NOW + 300, iat: NOW, email: 'ann@a.test' };
const pair = makePair('ES256', 'one');
const other = makePair('ES256', 'one');
const rsa = makePair('RS256', 'rsa');

const RULES: JwtRules = {
  ...{ issuer: ISSUER, audience: ['postrider', 'mail'], algorithms: TOKEN_ALGORITHMS, leeway: 30_000 },
  ...{ userClaim: 'email', scope: undefined },
};

function check(token: string, rules: Partial<JwtRules> = {}, jwks = jwksOf(pair, rsa)): Promise<Checked> {
  const clock = { now: () => NOW * 1000 };
  return new JwtCheck({ ...RULES, ...rules }, fixedKeys(keysIn(jwks)), clock).check(token);
}

const ANN = { kind: 'user', user: 'ann@a.test', until: (NOW + 300) * 1000 };

describe('a token is taken', () => {
  const cases: readonly (readonly [title: string, token: string, rules?: Partial<JwtRules>, jwks?: string])[] = [
    ['signed by ES256', jwt(pair, CLAIMS)],
    ['signed by RS256', jwt(rsa, CLAIMS)],
    ['signed by EdDSA', jwt(makePair('EdDSA', 'e'), CLAIMS), {}, ''],
    ['made for several, us among them', jwt(pair, { ...CLAIMS, aud: ['x', 'mail'] })],
    ['as long as our clock may be ahead', jwt(pair, { ...CLAIMS, exp: NOW - 29 })],
    ['as long as our clock may be behind', jwt(pair, { ...CLAIMS, nbf: NOW + 29 })],
    ['with the scope', jwt(pair, { ...CLAIMS, scope: 'a mail b' }), { scope: 'mail' }],
    ['with the scope in a list', jwt(pair, { ...CLAIMS, scp: ['a', 'mail'] }), { scope: 'mail' }],
    ['by a key that it does not name, of several', jwt({ ...pair, kid: undefined }, CLAIMS), {}, jwksOf(other, pair)],
  ];
  for (const [title, token, rules, jwks] of cases.filter(([, , , keys]) => keys !== ''))
    test(title, async () => {
      const { until: _, ...found } = (await check(token, rules, jwks)) as typeof ANN;
      assert.deepEqual(found, { kind: 'user', user: 'ann@a.test' });
    });

  test('signed by EdDSA', async () => {
    const ed = makePair('EdDSA', 'e');
    assert.deepEqual(await check(jwt(ed, CLAIMS), {}, jwksOf(ed)), ANN);
  });
  test('under the name in another claim', async () => {
    const token = jwt(pair, { ...CLAIMS, sub: 'ann', email_verified: false });
    assert.deepEqual(await check(token, { userClaim: 'sub' }), { ...ANN, user: 'ann' });
  });
});

describe('a token is refused', () => {
  const { exp: _, ...endless } = CLAIMS;
  const { aud: __, ...forAll } = CLAIMS;
  const { iss: ___, ...ofNobody } = CLAIMS;
  const publicHalf = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const byPublicKey = (claims: Fields): string => {
    const signed = `${encoded({ alg: 'HS256', kid: 'one' })}.${encoded(claims)}`;
    return `${signed}.${createHmac('sha256', publicHalf).update(signed).digest('base64url')}`;
  };
  const cases: readonly (readonly [title: string, token: string, reason: RegExp, rules?: Partial<JwtRules>])[] = [
    ['that has expired', jwt(pair, { ...CLAIMS, exp: NOW - 31 }), /expired/],
    ['that is for later', jwt(pair, { ...CLAIMS, nbf: NOW + 31 }), /another nbf/],
    ['that never ends', jwt(pair, endless), /another exp, or none/],
    ['that is for others', jwt(pair, { ...CLAIMS, aud: ['x', 'y'] }), /another aud/],
    ['that is for nobody', jwt(pair, forAll), /another aud, or none/],
    ['of another issuer', jwt(pair, { ...CLAIMS, iss: 'https://id.test' }), /another iss/],
    ['of no issuer', jwt(pair, ofNobody), /another iss, or none/],
    ['signed by another key of this name', jwt(other, CLAIMS), /signature/],
    ['signed by a key that is not there', jwt({ ...other, kid: 'two' }, CLAIMS), /none of the issuer/],
    ['signed by nobody', `${encoded({ alg: 'none' })}.${encoded(CLAIMS)}.`, /algorithm|no JWT/],
    ['signed by a public key as if it were a secret', byPublicKey(CLAIMS), /algorithm/],
    ['signed by an algorithm that is left out', jwt(pair, CLAIMS), /algorithm/, { algorithms: ['RS256'] }],
    ['that demands what we do not know', jwt(pair, CLAIMS, { crit: ['x'], x: 1 }), /no JWT/],
    ['that brings its own key', jwt(other, CLAIMS, { jwk: jwkOf(other) }), /signature/],
    ['without a name', jwt(pair, { ...CLAIMS, email: undefined }), /no email/],
    ['with a name that is none', jwt(pair, { ...CLAIMS, email: ['ann@a.test'] }), /no email/],
    ['with an address that is not verified', jwt(pair, { ...CLAIMS, email_verified: false }), /not verified/],
    ['without the scope', jwt(pair, { ...CLAIMS, scope: 'mailbox' }), /scope mail$/, { scope: 'mail' }],
    ['that names a claim of every object', jwt(pair, CLAIMS), /no constructor/, { userClaim: 'constructor' }],
    ['that is none', 'abc', /no JWT/],
    ['that is half', 'a.b.c', /no JWT/],
  ];
  for (const [title, token, reason, rules] of cases)
    test(title, async () => {
      const found = await check(token, rules);
      assert.ok(found.kind === 'refused', JSON.stringify(found));
      assert.match(found.reason, reason);
      assert.ok(!found.reason.includes(token.slice(0, 20)) || token.length < 20);
    });

  test('by a key of several that fits none', async () => {
    const found = await check(jwt({ ...makePair(), kid: undefined }, CLAIMS), {}, jwksOf(other, pair));
    assert.equal(found.kind, 'refused');
  });

  test('whatever octets it is made of, and whatever octet of it is another', async () => {
    const right = jwt(pair, CLAIMS);
    await fc.assert(
      fc.asyncProperty(fc.nat(right.length - 1), fc.constantFrom('A', 'z', '.', '-', '0'), async (at, octet) => {
        const token = right.slice(0, at) + octet + right.slice(at + 1);
        // The last character holds bits that are no part of the signature.
        fc.pre(token !== right && at < right.length - 1);
        assert.notEqual((await check(token)).kind, 'user');
      }),
      { numRuns: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (token) => {
        assert.equal((await check(token)).kind, 'refused');
      }),
      { numRuns: 60 },
    );
  });
});
