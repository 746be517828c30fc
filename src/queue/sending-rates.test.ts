import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, HOUR, MINUTE } from '../lib/time.ts';
import { SendingRates } from './sending-rates.ts';

const T0 = 1_000_000_000_000;

function sender(limits: object, name = 'user app') {
  return { name, limits };
}

describe('how much a user may send', () => {
  test('without limits nothing is counted', () => {
    const rates = new SendingRates();
    for (let n = 0; n < 1000; n += 1)
      assert.equal(rates.take({ senders: [sender({})], recipients: 50 }, T0), undefined);
  });

  test('messages in an hour: all at once, then evenly', () => {
    const rates = new SendingRates();
    const send = (at: number) => rates.take({ senders: [sender({ messagesPerHour: 6 })], recipients: 1 }, at);
    for (let n = 0; n < 6; n += 1) assert.equal(send(T0), undefined);
    assert.deepEqual(send(T0), { of: 'user app', limit: 'messagesPerHour', until: T0 + 10 * MINUTE });
    assert.equal(send(T0 + 10 * MINUTE), undefined);
    assert.notEqual(send(T0 + 10 * MINUTE), undefined);
    for (let n = 0; n < 6; n += 1) assert.equal(send(T0 + 2 * HOUR), undefined);
  });

  test('recipients count each, and more than all at once may go when nothing else did', () => {
    const rates = new SendingRates();
    const send = (recipients: number, at: number) =>
      rates.take({ senders: [sender({ recipientsPerDay: 100 })], recipients }, at);
    assert.equal(send(60, T0), undefined);
    assert.equal(send(60, T0)?.limit, 'recipientsPerDay');
    assert.equal(send(40, T0), undefined);
    assert.equal(send(150, T0 + DAY), undefined);
  });

  test('what is refused for one counts for none', () => {
    const rates = new SendingRates();
    const user = sender({ messagesPerHour: 2 });
    const tenant = sender({ messagesPerHour: 1 }, 'tenant acme');
    assert.equal(rates.take({ senders: [user, tenant], recipients: 1 }, T0), undefined);
    assert.equal(rates.take({ senders: [user, tenant], recipients: 1 }, T0)?.of, 'tenant acme');
    assert.equal(rates.take({ senders: [user], recipients: 1 }, T0), undefined);
    assert.equal(rates.take({ senders: [user], recipients: 1 }, T0)?.of, 'user app');
  });

  test('none is none, and another limit counts anew', () => {
    const rates = new SendingRates();
    assert.equal(rates.take({ senders: [sender({ messagesPerDay: 0 })], recipients: 1 }, T0)?.until, Infinity);
    assert.equal(rates.take({ senders: [sender({ messagesPerDay: 1 })], recipients: 1 }, T0), undefined);
    assert.notEqual(rates.take({ senders: [sender({ messagesPerDay: 1 })], recipients: 1 }, T0), undefined);
    assert.equal(rates.take({ senders: [sender({ messagesPerDay: 5 })], recipients: 1 }, T0), undefined);
  });

  test('a clock that goes back holds nobody up for ever', () => {
    const rates = new SendingRates();
    const send = (at: number) => rates.take({ senders: [sender({ messagesPerHour: 1 })], recipients: 1 }, at);
    assert.equal(send(T0 + 365 * DAY), undefined);
    const excess = send(T0);
    assert.ok(excess !== undefined && excess.until <= T0 + 2 * HOUR);
    assert.equal(send(T0 + 2 * HOUR), undefined);
  });
});
