import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR } from '../lib/time.ts';
import { fieldOfOption, optionOfField, type OptionName, readOption } from './message-options.ts';

const EVE = Date.UTC(2026, 11, 24, 18);

describe('options of a message', () => {
  const good: readonly [OptionName, string, object][] = [
    ['tenant', 'acme', { tenant: 'acme' }],
    ['campaign', 'spring sale', { campaign: 'spring sale' }],
    ['class', 'bulk', { class: 'bulk' }],
    ['tags', 'receipt, eu,receipt', { tags: ['receipt', 'eu'] }],
    ['sendAt', '2026-12-24T18:00:00Z', { sendAt: EVE }],
    ['sendAt', 'Thu, 24 Dec 2026 19:00:00 +0100', { sendAt: EVE }],
    ['expires', '2h', { expires: { after: 2 * HOUR } }],
    ['expires', '2026-12-24T18:00:00Z', { expires: { at: EVE } }],
    ['pool', 'letters', { pool: 'letters' }],
    ['trackingId', 'order/7#1', { trackingId: 'order/7#1' }],
    ['trackingId', '', {}],
  ];
  for (const [name, text, want] of good)
    test(`${name}: ${text}`, () => assert.deepEqual(readOption(name, text), { ok: true, value: want }));

  const bad: readonly [OptionName, string, RegExp][] = [
    ['tenant', 'x'.repeat(129), /128 octets/],
    ['campaign', 'ü'.repeat(30), /128 octets/],
    ['class', 'urgent', /transactional, normal, bulk/],
    ['tags', 'a,b,c,d,e,f,g,h,i,j,k', /more than 10/],
    ['tags', 'a,,b', /a tag is not/],
    ['tags', 'a b', /a tag is not/],
    ['sendAt', 'tomorrow', /2026-12-24T18:00:00Z/],
    ['sendAt', '2h', /2026-12-24T18:00:00Z/],
    ['expires', '0s', /no time at all/],
    ['expires', 'soon', /90m or 2h/],
    ['pool', 'two words', /printable ASCII/],
    ['trackingId', 'x'.repeat(129), /printable ASCII/],
    ['trackingId', 'ü', /printable ASCII/],
  ];
  for (const [name, text, want] of bad)
    test(`${name}: not ${text.slice(0, 20)}`, () => {
      const read = readOption(name, text);
      assert.ok(!read.ok && want.test(read.reason));
    });

  test('each has a field of its own, found whatever its case', () => {
    assert.equal(optionOfField('x-postrider-send-at'), 'sendAt');
    assert.equal(fieldOfOption('sendAt'), 'X-Postrider-Send-At');
    assert.equal(optionOfField('x-postrider-about'), undefined);
    assert.equal(optionOfField('__proto__'), undefined);
  });
});
