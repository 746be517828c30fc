import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type SaslStep, type ScramGiven } from './sasl.ts';
import { ScramExchange } from './scram.ts';

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';

function given(password = 'pencil', more: Partial<ScramGiven> = {}): ScramGiven {
  const salted = pbkdf2Sync(password, SALT, 4096, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    salt: SALT,
    iterations: 4096,
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
    nonce: NONCE,
    binding: undefined,
    ...more,
  };
}

/** The other side, for what the RFC gives no example of. */
function finalOf(first: string, serverFirst: string, { binding = 'biws', password = 'pencil' } = {}): Buffer {
  const salted = pbkdf2Sync(password, SALT, 4096, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest();
  const [nonce = ''] = /r=[^,]*/.exec(serverFirst) ?? [];
  const without = `c=${binding},${nonce}`;
  const bare = first.replace(/^[^,]*,[^,]*,/, '');
  const signature = createHmac('sha256', storedKey).update(`${bare},${serverFirst},${without}`).digest();
  const proof = Buffer.from(clientKey.map((octet, i) => octet ^ (signature[i] ?? 0)));
  return Buffer.from(`${without},p=${proof.toString('base64')}`);
}

function textOf(step: SaslStep): string {
  assert.ok(step.kind === 'challenge', step.kind);
  return step.octets.toString();
}

const PLAIN_FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
const NO_PLUS = { plus: false, offersPlus: false };

describe('SCRAM-SHA-256', () => {
  test('the exchange of RFC 7677 §3', () => {
    const exchange = new ScramExchange(NO_PLUS);
    assert.deepEqual(exchange.begin(Buffer.from(PLAIN_FIRST)), { kind: 'secret', user: 'user', binding: undefined });
    assert.equal(
      textOf(exchange.secret(given())),
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    const final =
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    assert.equal(textOf(exchange.respond(Buffer.from(final))), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    assert.deepEqual(exchange.respond(Buffer.alloc(0)), { kind: 'check', check: { kind: 'user', user: 'user' } });
  });

  test('without an initial response it is asked for', () => {
    const exchange = new ScramExchange(NO_PLUS);
    assert.equal(textOf(exchange.begin(undefined)), '');
    assert.equal(exchange.respond(Buffer.from(PLAIN_FIRST)).kind, 'secret');
  });

  for (const [name, first, why, options] of [
    ['nothing', '', 'syntax', NO_PLUS],
    ['no name', 'n,,r=abc', 'syntax', NO_PLUS],
    ['an empty name', 'n,,n=,r=abc', 'syntax', NO_PLUS],
    ['no nonce', 'n,,n=user', 'syntax', NO_PLUS],
    ['a name with a bare =', 'n,,n=us=er,r=abc', 'syntax', NO_PLUS],
    ['an extension that must be understood', 'n,,m=x,n=user,r=abc', 'syntax', NO_PLUS],
    ['a nonce without end', `n,,n=user,r=${'x'.repeat(300)}`, 'syntax', NO_PLUS],
    ['somebody else to act as', 'n,a=boss,n=user,r=abc', 'refused', NO_PLUS],
    ['a binding where none was asked for', 'p=tls-exporter,,n=user,r=abc', 'syntax', NO_PLUS],
    ['"y" where PLUS was offered', 'y,,n=user,r=abc', 'refused', { plus: false, offersPlus: true }],
    ['PLUS without a binding', 'n,,n=user,r=abc', 'syntax', { plus: true, offersPlus: true }],
    ['PLUS with a binding that nobody knows', 'p=tls-foo,,n=user,r=abc', 'refused', { plus: true, offersPlus: true }],
  ] as const)
    test(`the client begins with ${name}: ${why}`, () => {
      assert.deepEqual(new ScramExchange(options).begin(Buffer.from(first)), { kind: 'failed', why });
    });

  test('a name with a comma and an equals sign, and one who acts as himself', () => {
    const step = new ScramExchange(NO_PLUS).begin(Buffer.from('n,a=a=2Cb=3D,n=a=2Cb=3D,r=abc'));
    assert.deepEqual(step, { kind: 'secret', user: 'a,b=', binding: undefined });
  });

  for (const [name, change, why] of [
    [
      'a proof of another password',
      (_: Buffer, first: string) => finalOf(PLAIN_FIRST, first, { password: 'pen' }),
      'refused',
    ],
    ['another nonce', (ok: Buffer) => Buffer.from(ok.toString().replace('r=rO', 'r=rP')), 'refused'],
    ['another binding', (_: Buffer, first: string) => finalOf(PLAIN_FIRST, first, { binding: 'eSws' }), 'refused'],
    ['no proof', (ok: Buffer) => Buffer.from(ok.toString().replace(/,p=.*/, '')), 'syntax'],
    ['two proofs', (ok: Buffer) => Buffer.from(`${ok.toString()},p=x`), 'syntax'],
    ['octets that are no UTF-8', () => Buffer.from([0xff]), 'syntax'],
  ] as const)
    test(`the client ends with ${name}: ${why}`, () => {
      const exchange = new ScramExchange(NO_PLUS);
      exchange.begin(Buffer.from(PLAIN_FIRST));
      const serverFirst = textOf(exchange.secret(given()));
      const final = change(finalOf(PLAIN_FIRST, serverFirst), serverFirst);
      assert.deepEqual(exchange.respond(final), { kind: 'failed', why });
      assert.deepEqual(exchange.respond(finalOf(PLAIN_FIRST, serverFirst)), { kind: 'failed', why: 'syntax' });
    });

  test('something to add after our proof is no message', () => {
    const exchange = new ScramExchange(NO_PLUS);
    exchange.begin(Buffer.from(PLAIN_FIRST));
    exchange.respond(finalOf(PLAIN_FIRST, textOf(exchange.secret(given()))));
    assert.deepEqual(exchange.respond(Buffer.from('x')), { kind: 'failed', why: 'syntax' });
  });

  test('whatever is sent in whatever order never throws, and proves nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (responses) => {
        const exchange = new ScramExchange(NO_PLUS);
        exchange.begin(undefined);
        for (const response of responses) {
          const step = exchange.respond(Buffer.from(response));
          assert.notEqual(step.kind, 'check');
          if (step.kind === 'secret') exchange.secret(given());
        }
      }),
    );
  });
});

describe('SCRAM-SHA-256-PLUS', () => {
  const FIRST = 'p=tls-exporter,,n=user,r=abc';
  const BINDING = Buffer.alloc(32, 5);
  const bound = (binding: Buffer): string =>
    Buffer.concat([Buffer.from('p=tls-exporter,,'), binding]).toString('base64');

  test('binds to the session', () => {
    const exchange = new ScramExchange({ plus: true, offersPlus: true });
    assert.deepEqual(exchange.begin(Buffer.from(FIRST)), { kind: 'secret', user: 'user', binding: 'tls-exporter' });
    const serverFirst = textOf(exchange.secret(given('pencil', { binding: BINDING })));
    const final = finalOf(FIRST, serverFirst, { binding: bound(BINDING) });
    assert.match(textOf(exchange.respond(final)), /^v=/);
  });

  test('a client at the end of another session is refused', () => {
    const exchange = new ScramExchange({ plus: true, offersPlus: true });
    exchange.begin(Buffer.from(FIRST));
    const serverFirst = textOf(exchange.secret(given('pencil', { binding: BINDING })));
    const final = finalOf(FIRST, serverFirst, { binding: bound(Buffer.alloc(32, 6)) });
    assert.deepEqual(exchange.respond(final), { kind: 'failed', why: 'refused' });
  });

  test('a session that has no such binding is refused', () => {
    const exchange = new ScramExchange({ plus: true, offersPlus: true });
    exchange.begin(Buffer.from(FIRST));
    assert.deepEqual(exchange.secret(given()), { kind: 'failed', why: 'refused' });
  });
});
