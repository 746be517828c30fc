/** When a stop that does not end is ended. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { LastResort } from './last-resort.ts';

function scene() {
  const clock = new HandClock();
  const log: string[] = [];
  let kills = 0;
  const say = (text: string): void => void log.push(text);
  const lastResort = new LastResort({
    ...{ clock, timers: clock, log: { error: say, warn: say, info: say } },
    kill: () => (kills += 1),
  });
  return { clock, lastResort, log, kills: () => kills };
}

describe('a stop that does not end', () => {
  test('is ended when drainTime and ten seconds are over, and the log says so', () => {
    const { clock, lastResort, log, kills } = scene();
    lastResort.allow(60_000);
    lastResort.stopping();
    clock.advance(69_999);
    assert.equal(kills(), 0);
    clock.advance(1);
    assert.equal(kills(), 1);
    assert.equal(lastResort.used, true);
    assert.match(log.join(), /the stop does not end/);
  });

  test('is held to the drainTime at its beginning', () => {
    const { clock, lastResort, kills } = scene();
    lastResort.stopping();
    lastResort.allow(600_000);
    lastResort.stopping();
    clock.advance(40_000);
    assert.equal(kills(), 1);
  });

  test('is ended at once when it is asked for again, and only once', () => {
    const { clock, lastResort, log, kills } = scene();
    lastResort.asked();
    clock.advance(500);
    assert.equal(kills(), 0);
    lastResort.asked();
    lastResort.asked();
    clock.advance(600_000);
    assert.equal(kills(), 1);
    assert.match(log.join(), /^told to stop a second time[^,]*,[^,]*$/);
  });

  test('is not asked for again by a terminal and npm that say the same', () => {
    const { clock, lastResort, kills } = scene();
    lastResort.asked();
    clock.advance(499);
    lastResort.asked();
    assert.equal(kills(), 0);
  });

  test('is not asked for twice by a drain and one signal', () => {
    const { clock, lastResort, kills } = scene();
    lastResort.stopping();
    clock.advance(5000);
    lastResort.asked();
    assert.equal(kills(), 0);
  });
});

test('a stop that ends is left alone', () => {
  const { clock, lastResort, kills } = scene();
  lastResort.asked();
  lastResort.ended();
  clock.advance(600_000);
  assert.deepEqual([kills(), lastResort.used], [0, false]);
});
