import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, HOUR, MINUTE, SECOND } from '../../lib/time.ts';
import { ClockWatch } from './clock-watch.ts';

const BOOT = 1_700_000_000_000;

function clocks(lastSeen?: number) {
  const at = { wall: BOOT, monotonic: 5000 };
  const watch = new ClockWatch({ now: () => at.wall, monotonic: () => at.monotonic }, lastSeen);
  return {
    watch,
    set: (by: number) => (at.wall += by),
    /** Time goes by, and the clock is looked at now and then. */
    pass: (duration: number) => {
      for (let left = duration; left > 0; left -= MINUTE) {
        at.wall += MINUTE;
        at.monotonic += MINUTE;
        watch.look();
      }
    },
  };
}

test('a clock that keeps time is steady, and a look finds nothing', () => {
  const { watch, pass } = clocks();
  pass(2 * DAY);
  assert.equal(watch.state, 'steady');
  assert.equal(watch.look(), 0);
});

for (const by of [HOUR, -HOUR, 11 * MINUTE])
  test(`a jump by ${by / MINUTE} minutes is seen at once, told once, and believed after a day`, () => {
    const { watch, set, pass } = clocks();
    set(by);
    assert.equal(watch.state, 'moved');
    assert.equal(watch.look(), by);
    assert.equal(watch.look(), 0);
    pass(DAY - HOUR);
    assert.equal(watch.state, 'moved');
    pass(2 * HOUR);
    assert.equal(watch.state, 'steady');
  });

test('a clock that is set right again within the day is steady again at once', () => {
  const { watch, set } = clocks();
  set(HOUR);
  watch.look();
  set(-HOUR);
  assert.equal(watch.state, 'steady');
  assert.equal(watch.look(), -HOUR);
});

test('small steps are neither told nor do they add up: synchronization makes them all day', () => {
  const { watch, set, pass } = clocks();
  for (let i = 0; i < 400; i += 1) {
    set(4 * SECOND);
    assert.equal(watch.look(), 0);
    pass(HOUR);
  }
  assert.equal(watch.state, 'steady');
});

for (const [name, lastSeen] of [
  ['ten years after it was last seen', BOOT - 3650 * DAY],
  ['an hour before it was last seen', BOOT + HOUR],
] as const)
  test(`a system that starts ${name} has a clock that moved, for a day`, () => {
    const { watch, pass } = clocks(lastSeen);
    assert.equal(watch.state, 'moved');
    assert.equal(watch.look(), 0);
    pass(DAY - HOUR);
    assert.equal(watch.state, 'moved');
    pass(2 * HOUR);
    assert.equal(watch.state, 'steady');
  });

test('a system that starts ten years ahead and is set right is steady at once', () => {
  const { watch, set } = clocks(BOOT - 3650 * DAY);
  set(-3650 * DAY);
  assert.equal(watch.look(), -3650 * DAY);
  assert.equal(watch.state, 'steady');
});

for (const away of [0, MINUTE, 6 * DAY])
  test(`a system that was off for ${away / MINUTE} minutes has a steady clock`, () => {
    assert.equal(clocks(BOOT - away).watch.state, 'steady');
  });
