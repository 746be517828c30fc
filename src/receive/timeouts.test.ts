import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { Deadlines } from './timeouts.ts';

test('calls after the delay, at most a second late, and again when begun anew', () => {
  const clock = new HandClock();
  let called = 0;
  const timeout = new Deadlines(clock, clock).after(5000, () => (called += 1));
  clock.advance(4999);
  assert.equal(called, 0);
  clock.advance(1001);
  assert.equal(called, 1);
  timeout.restart(3000);
  clock.advance(2999);
  assert.equal(called, 1);
  clock.advance(1001);
  assert.equal(called, 2);
});

test('begun anew, the old time means nothing', () => {
  const clock = new HandClock();
  let called = 0;
  const timeout = new Deadlines(clock, clock).after(5000, () => (called += 1));
  clock.advance(4000);
  timeout.restart(5000);
  clock.advance(4900);
  assert.equal(called, 0);
  timeout.cancel();
  clock.advance(60_000);
  assert.equal(called, 0);
});

test('a wheel that stood empty for long is right again', () => {
  const clock = new HandClock();
  const timeouts = new Deadlines(clock, clock);
  timeouts.after(1000, () => undefined);
  clock.advance(10_000_000);
  let called = 0;
  timeouts.after(2000, () => (called += 1));
  clock.advance(1999);
  assert.equal(called, 0);
  clock.advance(1001);
  assert.equal(called, 1);
});
