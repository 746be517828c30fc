import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { OAuthBearerExchange, XOAuth2Exchange } from './bearer.ts';
import { REFUSED, type SaslStep, SYNTAX } from './sasl.ts';

const token = (user: string | undefined, text = 'abc.d-e_f~+/=='): SaslStep => ({
  ...{ kind: 'check', check: { kind: 'token', user, token: text } },
});
const TOKEN = 'auth=Bearer abc.d-e_f~+/==\x01\x01';

describe('OAUTHBEARER', () => {
  const cases: readonly (readonly [title: string, message: string, step: SaslStep])[] = [
    ['a name and a token', `n,a=ann@a.test,\x01${TOKEN}`, token('ann@a.test')],
    ['host and port are stepped over', `n,a=ann,\x01host=mx.test\x01port=587\x01${TOKEN}`, token('ann')],
    ['no name', `n,,\x01${TOKEN}`, token(undefined)],
    ['an empty name is none', `n,a=,\x01${TOKEN}`, token(undefined)],
    ['a client that could bind to a channel', `y,,\x01${TOKEN}`, token(undefined)],
    ['a comma and an equals sign in the name', `n,a=a=2Cb=3Dc,\x01${TOKEN}`, token('a,b=c')],
    ['Bearer in any case, with more spaces', 'n,,\x01auth=bEARER   x\x01\x01', token(undefined, 'x')],
    ['an empty auth asks where tokens are to be had', 'n,,\x01auth=\x01\x01', REFUSED],
    ['another scheme', 'n,,\x01auth=Basic YTpi\x01\x01', REFUSED],
    ['no token', 'n,,\x01auth=Bearer \x01\x01', REFUSED],
    ['two tokens', 'n,,\x01auth=Bearer a b\x01\x01', REFUSED],
    ['no auth', 'n,,\x01host=mx.test\x01\x01', SYNTAX],
    ['auth twice', `n,,\x01auth=Bearer x\x01${TOKEN}`, SYNTAX],
    ['auth twice, in another case', `n,,\x01AUTH=Bearer x\x01${TOKEN}`, SYNTAX],
    ['one separator at the end', 'n,,\x01auth=Bearer x\x01', SYNTAX],
    ['three separators at the end', 'n,,\x01auth=Bearer x\x01\x01\x01', SYNTAX],
    ['more behind the end', 'n,,\x01auth=Bearer x\x01\x01user=boss', SYNTAX],
    ['no header', `\x01${TOKEN}`, SYNTAX],
    ['no separator behind the header', `n,,${TOKEN}`, SYNTAX],
    ['a header that binds to a channel', `p=tls-exporter,,\x01${TOKEN}`, SYNTAX],
    ['a header that is half', `n,\x01${TOKEN}`, SYNTAX],
    ['a header with more in it', `n,a=ann,n=boss,\x01${TOKEN}`, SYNTAX],
    ['a non-standard header', `F,n,,\x01${TOKEN}`, SYNTAX],
    ['a bad escape in the name', `n,a=a=40b,\x01${TOKEN}`, SYNTAX],
    ['a space in the name', `n,a=a b,\x01${TOKEN}`, SYNTAX],
    ['NUL in a value', `n,,\x01host=a\0b\x01${TOKEN}`, SYNTAX],
    ['a pair without a key', `n,,\x01=x\x01${TOKEN}`, SYNTAX],
    ['a pair without a value', `n,,\x01host\x01${TOKEN}`, SYNTAX],
    ['nothing', '', SYNTAX],
    ['the answer to a refusal', '\x01', SYNTAX],
    ['a message of XOAUTH2', `user=ann\x01${TOKEN}`, SYNTAX],
    ['a name of 321 octets', `n,a=${'a'.repeat(321)},\x01${TOKEN}`, SYNTAX],
    ['octets above ASCII in the name', `n,a=\xe4,\x01${TOKEN}`, SYNTAX],
  ];
  for (const [title, message, step] of cases)
    test(title, () => assert.deepEqual(new OAuthBearerExchange().begin(Buffer.from(message, 'latin1')), step));

  test('without a response there is an empty challenge', () => {
    const exchange = new OAuthBearerExchange();
    assert.deepEqual(exchange.begin(undefined), { kind: 'challenge', octets: Buffer.alloc(0) });
    assert.deepEqual(exchange.respond(Buffer.from(`n,,\x01${TOKEN}`)), token(undefined));
  });

  test('says where tokens are to be had', () => {
    const hints = { scope: 'mail', configuration: 'https://id.test/.well-known/openid-configuration' };
    assert.deepEqual(JSON.parse(new OAuthBearerExchange(hints).denial.toString()), {
      ...{ status: 'invalid_token', scope: 'mail', 'openid-configuration': hints.configuration },
    });
    assert.deepEqual(JSON.parse(new OAuthBearerExchange().denial.toString()), { status: 'invalid_token' });
  });
});

describe('XOAUTH2', () => {
  const cases: readonly (readonly [title: string, message: string, step: SaslStep])[] = [
    ['a name and a token', `user=ann@a.test\x01${TOKEN}`, token('ann@a.test')],
    ['the other way round', 'auth=Bearer x\x01user=ann\x01\x01', token('ann', 'x')],
    ['no name', TOKEN, SYNTAX],
    ['an empty name', `user=\x01${TOKEN}`, SYNTAX],
    ['two names', `user=ann\x01user=boss\x01${TOKEN}`, SYNTAX],
    ['no auth', 'user=ann\x01\x01', SYNTAX],
    ['no token', 'user=ann\x01auth=Bearer\x01\x01', REFUSED],
    ['one separator at the end', 'user=ann\x01auth=Bearer x\x01', SYNTAX],
    ['a message of OAUTHBEARER', `n,a=ann,\x01${TOKEN}`, SYNTAX],
    ['nothing', '', SYNTAX],
  ];
  for (const [title, message, step] of cases)
    test(title, () => assert.deepEqual(new XOAuth2Exchange().begin(Buffer.from(message, 'latin1')), step));

  test('says what Google says', () => {
    const said = JSON.parse(new XOAuth2Exchange({ scope: 'mail' }).denial.toString()) as object;
    assert.deepEqual(said, { status: '401', schemes: 'bearer', scope: 'mail' });
  });
});

test('what is well-formed is taken, whatever the name; and whatever octets come lead to a step', () => {
  const name = fc.stringMatching(/^[\x21-\x7e]{1,60}$/);
  const anyToken = fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,200}={0,2}$/);
  fc.assert(
    fc.property(name, anyToken, (user, text) => {
      const written = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
      const bearer = Buffer.from(`n,a=${written},\x01auth=Bearer ${text}\x01\x01`);
      assert.deepEqual(new OAuthBearerExchange().begin(bearer), token(user, text));
      const google = Buffer.from(`user=${user}\x01auth=Bearer ${text}\x01\x01`);
      assert.deepEqual(new XOAuth2Exchange().begin(google), token(user, text));
    }),
  );
  const piece = fc.constantFrom(
    'n',
    'y',
    ',',
    'a=',
    'ann',
    '\x01',
    'auth=',
    'Bearer ',
    'x',
    '=',
    '\0',
    'user=',
    '\xff',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      for (const exchange of [new OAuthBearerExchange(), new XOAuth2Exchange()]) {
        const step = exchange.begin(Buffer.from(pieces.join(''), 'latin1'));
        if (step.kind !== 'check') assert.ok(step === SYNTAX || step === REFUSED);
        else assert.ok(step.check.kind === 'token' && pieces.join('').includes(`Bearer ${step.check.token}\x01`));
      }
    }),
  );
});
