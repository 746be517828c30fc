import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExternalExchange } from './external.ts';
import { SYNTAX } from './sasl.ts';

const wanted = (user: string | undefined) => ({ kind: 'check', check: { kind: 'certificate', user } });

test('without a response there is an empty challenge', () => {
  const exchange = new ExternalExchange();
  assert.deepEqual(exchange.begin(undefined), { kind: 'challenge', octets: Buffer.alloc(0) });
  assert.deepEqual(exchange.respond(Buffer.alloc(0)), wanted(undefined));
});

test('an empty one asks for whoever the certificate names, another for that user', () => {
  assert.deepEqual(new ExternalExchange().begin(Buffer.alloc(0)), wanted(undefined));
  assert.deepEqual(new ExternalExchange().begin(Buffer.from('änn')), wanted('änn'));
});

test('NUL, and what is no UTF-8, is no message', () => {
  for (const octets of [Buffer.from('ann\0'), Buffer.from([0]), Buffer.from([0x61, 0xff])])
    assert.deepEqual(new ExternalExchange().begin(octets), SYNTAX);
  assert.deepEqual(new ExternalExchange().secret(), SYNTAX);
});

test('any octets are asked about as they are, or are no message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (octets) => {
      const step = new ExternalExchange().begin(Buffer.from(octets));
      if (step.kind !== 'check') return assert.deepEqual(step, SYNTAX);
      assert.ok(step.check.kind === 'certificate');
      return assert.deepEqual(Buffer.from(step.check.user ?? ''), Buffer.from(octets));
    }),
  );
});
