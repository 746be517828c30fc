import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadline } from './deadline.ts';

/** Time moved by hand. */
function stage() {
  let now = 0;
  let expired = 0;
  let armed = 0;
  const waiting = new Set<{ at: number; wake: () => void }>();
  const ports = {
    clock: { now: () => now, monotonic: () => now },
    timers: {
      after(delay: number, wake: () => void) {
        armed += 1;
        const timer = { at: now + delay, wake };
        waiting.add(timer);
        return { cancel: () => void waiting.delete(timer) };
      },
    },
  };
  const deadline = new Deadline(ports, () => (expired += 1));
  const pass = (duration: number): number => {
    now += duration;
    for (const timer of waiting) if (timer.at <= now && waiting.delete(timer)) timer.wake();
    return expired;
  };
  return { deadline, pass, armed: () => armed, waiting };
}

test('expires once, when its time has come', () => {
  const { deadline, pass } = stage();
  deadline.set(100);
  assert.equal(pass(99), 0);
  assert.equal(pass(1), 1);
  assert.equal(pass(1000), 1);
});

test('moved on, it does not expire, and costs no new timer', () => {
  const { deadline, pass, armed } = stage();
  for (let i = 0; i < 10; i++) {
    deadline.set(100);
    assert.equal(pass(9), 0);
  }
  assert.equal(armed(), 1);
  assert.equal(pass(90), 0);
  assert.equal(pass(1), 1);
});

test('moved nearer, it expires then', () => {
  const { deadline, pass } = stage();
  deadline.set(1000);
  deadline.set(10);
  assert.equal(pass(10), 1);
  assert.equal(pass(1000), 1);
});

test('taken away, it never expires, and can be set again', () => {
  const { deadline, pass, waiting } = stage();
  deadline.set(10);
  deadline.set(undefined);
  assert.equal(pass(20), 0);
  deadline.set(10);
  assert.equal(pass(10), 1);
  deadline.set(10);
  deadline.stop();
  assert.equal(waiting.size, 0);
});
