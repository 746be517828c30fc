import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR, MINUTE } from '../lib/time.ts';
import { Backoff, type Refusal } from './backoff.ts';

const options = { first: MINUTE, max: HOUR };
const at = (now: number, parts: Partial<Refusal> = {}): Refusal => ({
  startedAt: now,
  now,
  wait: undefined,
  jitter: 0,
  diagnostic: 'refused',
  ...parts,
});

describe('Backoff', () => {
  test('grows from a minute to an hour', () => {
    const backoff = new Backoff();
    const waits: number[] = [];
    let now = 0;
    for (let i = 0; i < 8; i++) {
      assert.equal(backoff.refused(at(now), options), true);
      waits.push(backoff.until - now);
      now = backoff.until;
    }
    assert.deepEqual(
      waits.map((wait) => wait / MINUTE),
      [1, 2, 4, 8, 16, 32, 60, 60],
    );
  });

  test('connections refused together are one refusal', () => {
    const backoff = new Backoff();
    backoff.refused(at(1000), options);
    const { until } = backoff;
    assert.equal(backoff.refused(at(2000, { startedAt: 999 }), options), false);
    assert.equal(backoff.until, until);
    assert.equal(backoff.refusals, 1);
  });

  test('a longer wait that the receiver names is kept, within the longest', () => {
    const backoff = new Backoff();
    backoff.refused(at(0, { wait: 10 * MINUTE }), options);
    assert.equal(backoff.until, 10 * MINUTE);
    backoff.refused(at(10 * MINUTE, { wait: 24 * HOUR }), options);
    assert.equal(backoff.until, 10 * MINUTE + HOUR);
  });

  test('success of a later attempt ends it, of an earlier one does not', () => {
    const backoff = new Backoff();
    backoff.refused(at(1000), options);
    assert.equal(backoff.succeeded(500), false);
    assert.equal(backoff.refusals, 1);
    assert.equal(backoff.succeeded(backoff.until), true);
    assert.equal(backoff.refusals, 0);
    assert.equal(backoff.succeeded(backoff.until), false);
    backoff.refused(at(HOUR), options);
    assert.equal(backoff.until, HOUR + MINUTE);
  });

  test('remembers when the last refused attempt began, and its words', () => {
    const backoff = new Backoff();
    backoff.refused(at(5), options);
    backoff.refused(at(9, { startedAt: 3, diagnostic: 'later words' }), options);
    assert.equal(backoff.lastStartedAt, 5);
    assert.equal(backoff.diagnostic, 'later words');
  });

  test('jitter adds at most a tenth', () => {
    const backoff = new Backoff();
    backoff.refused(at(0, { jitter: 1 }), options);
    assert.equal(backoff.until, 1.1 * MINUTE);
  });

  test('a clock that went back holds nothing for longer than the longest back-off', () => {
    const backoff = new Backoff();
    backoff.refused(at(1e12), options);
    backoff.clockMoved(0, HOUR);
    assert.equal(backoff.until, HOUR);
    assert.equal(backoff.succeeded(1), true, 'an attempt of the new time counts');
  });
});
