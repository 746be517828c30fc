import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { headerFields } from '../mail/header.ts';
import { readSigningKey, type SigningKey } from './signing-keys.ts';
import { Plans, type SigningForm } from './signing-plans.ts';

const FORM: SigningForm = { canonicalization: { header: 'relaxed', body: 'relaxed' }, fields: [] };
const NOW = 1_700_000_000_000;

function keyFor(domain: string): SigningKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const read = readSigningKey({ domain, selector: 's', algorithm: 'ed25519-sha256', privateKey: pem });
  assert.ok(read.ok);
  return read.value;
}

const fieldsOf = (...names: string[]) => headerFields(Buffer.from(names.map((name) => `${name}: x\r\n`).join('')));
const key = keyFor('a.test');
const usual = fieldsOf('From', 'To');

/** Sent at once, unless another time is given. */
function at(now: number, sentFrom = now): { readonly now: number; readonly sentFrom: number } {
  return { now, sentFrom };
}

describe('what signatures share', () => {
  test('is made once for messages with the same fields, in one second', () => {
    const plans = new Plans(undefined);
    const first = plans.planFor(usual, [key], FORM, at(NOW));
    assert.equal(plans.planFor(fieldsOf('from', 'TO'), [key], FORM, at(NOW + 999)), first);
    assert.equal(first.by, 'd=a.test s=s');
  });

  const others: readonly [name: string, other: () => Parameters<Plans['planFor']>][] = [
    ['another second', () => [usual, [key], FORM, at(NOW + 1000)]],
    ['the second before', () => [usual, [key], FORM, at(NOW - 1)]],
    ['another field', () => [fieldsOf('From', 'To', 'Cc'), [key], FORM, at(NOW)]],
    ['a field more of the same name', () => [fieldsOf('From', 'To', 'To'), [key], FORM, at(NOW)]],
    ['another key of the same name', () => [usual, [keyFor('a.test')], FORM, at(NOW)]],
    ['a key of another domain', () => [usual, [keyFor('b.test')], FORM, at(NOW)]],
    ['a key more', () => [usual, [key, keyFor('a.test')], FORM, at(NOW)]],
    ['another form', () => [usual, [key], { ...FORM, fields: ['to'] }, at(NOW)]],
  ];
  for (const [name, other] of others)
    test(`is made anew for ${name}`, () => {
      const plans = new Plans(undefined);
      plans.planFor(usual, [key], FORM, at(NOW));
      const [fields, keys, form, times] = other();
      const made = plans.planFor(fields, keys, form, times);
      assert.deepEqual(made, new Plans(undefined).planFor(fields, keys, form, times));
    });

  test('says when it was made and when it ends', () => {
    const plan = new Plans(1500).planFor(usual, [key], FORM, at(NOW));
    assert.match(plan.signatures[0]!.beginning.written, /t=1700000000;\s+x=1700000002;/);
  });

  test('ends later where the message is sent later, and is not that of others', () => {
    const plans = new Plans(1500);
    const [now, later] = [NOW, NOW + 86_400_000].map((from) => plans.planFor(usual, [key], FORM, at(NOW, from)));
    assert.match(now!.signatures[0]!.beginning.written, /t=1700000000;\s+x=1700000002;/);
    assert.match(later!.signatures[0]!.beginning.written, /t=1700000000;\s+x=1700086402;/);
    assert.equal(plans.planFor(usual, [key], FORM, at(NOW, NOW + 86_400_000)), later);
  });

  test('is not kept for header sections without end', () => {
    const plans = new Plans(undefined);
    const long = fieldsOf('From', ...Array.from({ length: 200 }, (_, i) => `X-Field-${i}`));
    assert.notEqual(plans.planFor(long, [key], FORM, at(NOW)), plans.planFor(long, [key], FORM, at(NOW)));
  });

  test('of no more than a hundred kinds', () => {
    const plans = new Plans(undefined);
    const first = plans.planFor(usual, [key], FORM, at(NOW));
    for (let i = 0; i < 99; i += 1) plans.planFor(fieldsOf('From', `X-${i}`), [key], FORM, at(NOW));
    assert.equal(plans.planFor(usual, [key], FORM, at(NOW)), first);
    plans.planFor(fieldsOf('From', 'X-99'), [key], FORM, at(NOW));
    assert.notEqual(plans.planFor(usual, [key], FORM, at(NOW)), first);
  });
});
