import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TimerWheel } from './timer-wheel.ts';

const TICK = 1000;

describe('TimerWheel', () => {
  test('calls when the time has come, and not before', () => {
    const wheel = new TimerWheel(TICK, 0);
    let called = 0;
    wheel.at(2500, () => (called += 1));
    wheel.advance(2499);
    assert.equal(called, 0);
    wheel.advance(3000);
    wheel.advance(10_000);
    assert.equal(called, 1);
    assert.equal(wheel.size, 0);
  });

  test('a deadline moved later is not called at the old time', () => {
    const wheel = new TimerWheel(TICK, 0);
    let called = 0;
    const timer = wheel.at(2000, () => (called += 1));
    timer.move(900_000);
    wheel.advance(899_999);
    assert.equal(called, 0);
    wheel.advance(900_000);
    assert.equal(called, 1);
  });

  test('a deadline moved earlier is called at the new time', () => {
    const wheel = new TimerWheel(TICK, 0);
    let called = 0;
    wheel.at(900_000, () => (called += 1)).move(2000);
    wheel.advance(2000);
    assert.equal(called, 1);
  });

  test('a cancelled one is never called, even by a neighbour of the same tick', () => {
    const wheel = new TimerWheel(TICK, 0);
    const called: string[] = [];
    const timers = ['a', 'b'].map((name) => wheel.at(1500, () => cancelBoth(name)));
    function cancelBoth(name: string): void {
      called.push(name);
      for (const timer of timers) timer.cancel();
    }
    wheel.advance(5000);
    wheel.advance(6000);
    assert.equal(called.length, 1);
    assert.equal(wheel.size, 0);
  });

  test('one that is called may set another', () => {
    const wheel = new TimerWheel(TICK, 0);
    const called: number[] = [];
    wheel.at(1000, () => {
      called.push(1);
      wheel.at(1000, () => called.push(2));
    });
    wheel.advance(1000);
    assert.deepEqual(called, [1]);
    wheel.advance(2000);
    assert.deepEqual(called, [1, 2]);
  });

  test('against a list: never early, at most a tick late, whatever is set, moved and cancelled', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), in: fc.nat(1_500_000) }),
      fc.record({ kind: fc.constant('move' as const), which: fc.nat(20), in: fc.nat(1_500_000) }),
      fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }),
      fc.record({ kind: fc.constant('wait' as const), for: fc.nat(1_000_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const wheel = new TimerWheel(TICK, 0);
        const timers: { at: number; over: boolean; timer: { move(at: number): void; cancel(): void } }[] = [];
        let now = 0;
        for (const each of steps) {
          const chosen = 'which' in each ? timers[each.which] : undefined;
          if (each.kind === 'set') {
            const made = { at: now + each.in, over: false, timer: wheel.at(now + each.in, () => wake(made)) };
            timers.push(made);
          } else if (each.kind === 'move' && chosen !== undefined) {
            if (!chosen.over) chosen.at = now + each.in;
            chosen.timer.move(now + each.in);
          } else if (each.kind === 'cancel' && chosen !== undefined) {
            chosen.over = true;
            chosen.timer.cancel();
          } else if (each.kind === 'wait') {
            now += each.for;
            wheel.advance(now);
            for (const { at, over } of timers) assert.ok(over || at > now - TICK, `${at} at ${now}`);
          }
          assert.equal(wheel.size, timers.filter(({ over }) => !over).length);
        }
        function wake(timer: { at: number; over: boolean }): void {
          assert.ok(!timer.over && timer.at <= now);
          timer.over = true;
        }
      }),
    );
  });
});
