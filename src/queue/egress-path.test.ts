import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EgressPath } from './egress-path.ts';
import { DEFAULT_LIMITS, type PathLimits } from './pace.ts';

const pathOf = (limits: Partial<PathLimits> = {}) => new EgressPath('g', 's', { ...DEFAULT_LIMITS, ...limits });
const refusal = (now: number) => ({ startedAt: now, now, wait: undefined, jitter: 0, diagnostic: '421 slow down' });
const succeed = (path: EgressPath, count: number, at = 0) => {
  for (let i = 0; i < count; i++) path.succeeded(at);
};

describe('the window', () => {
  test('starts at 2 and doubles per round of successes up to the limit', () => {
    const path = pathOf();
    const windows = [path.window];
    for (let round = 0; round < 4; round++) {
      succeed(path, path.window);
      windows.push(path.window);
    }
    assert.deepEqual(windows, [2, 4, 8, 10, 10]);
  });

  test('is never above the connections', () => assert.equal(pathOf({ connections: 1 }).window, 1));

  test('halves when told to slow down, once for all that were under way', () => {
    const path = pathOf();
    succeed(path, 14);
    assert.equal(path.window, 10);
    assert.equal(path.limited(refusal(1000)), true);
    assert.equal(path.limited({ ...refusal(1001), startedAt: 900 }), false);
    assert.equal(path.window, 5);
    assert.equal(path.releaseAt(1), 11_000);
    assert.equal(path.healthy, false);
    path.succeeded(11_000);
    assert.ok(path.releaseAt(1) < 11_000);
  });

  test('starts again small after a refusal', () => {
    const path = pathOf();
    succeed(path, 14);
    path.refused(1000);
    assert.equal(path.window, 2);
    assert.equal(path.healthy, false);
    succeed(path, 2);
    assert.equal(path.window, 4);
    assert.equal(path.healthy, true);
  });
});

describe('the depth', () => {
  const depthAfter = (took: readonly number[], limits: Partial<PathLimits> = {}): number => {
    const path = pathOf(limits);
    for (const each of took) path.succeeded(0, each);
    return path.depth;
  };

  for (const [name, took, limits, depth] of [
    ['is as configured while nothing is known', [], {}, 2],
    ['of one that takes each in a second, too', [1000], {}, 2],
    ['is more, as many as the next hop takes in the time', [5], {}, 5],
    ['has an end', [0.1], {}, 8],
    ['has an end where it takes no time at all', [0], {}, 8],
    ['is never less than is configured', [1000], { depth: 20 }, 20],
    ['nor more than that where no time is given', [1], { ahead: 0 }, 2],
    ['follows slowly', [100, 1], {}, 2],
    ['and back', [1, 100], {}, 2],
    ['is not moved by one that took longer than the others', [4, 4, 4, 4, 4, 8], {}, 5],
  ] as const)
    test(name, () => assert.equal(depthAfter(took, limits), depth));

  test('is as configured again after a refusal', () => {
    const path = pathOf();
    path.succeeded(0, 1);
    assert.equal(path.depth, 8);
    path.limited(refusal(1000));
    assert.equal(path.depth, 2);
  });

  test('stays where the next hop says nothing of the time', () => {
    const path = pathOf();
    path.succeeded(0, 5);
    path.succeeded(0);
    assert.equal(path.depth, 5);
  });
});

test('after a refusal one new connection a second, until a round of successes', () => {
  const path = pathOf();
  path.opened(0);
  assert.ok(path.nextOpenAt < 0, 'no ramp before any refusal');
  path.refused(1000);
  assert.equal(path.nextOpenAt, 2000);
  path.opened(2000);
  assert.equal(path.nextOpenAt, 3000);
  succeed(path, 2);
  path.opened(3000);
  assert.equal(path.nextOpenAt, 3000);
});

test('messages and octets are rated at release', () => {
  const path = pathOf({
    messageRate: { amount: 1, period: 1000, burst: 1 },
    octetRate: { amount: 1000, period: 1000, burst: 1000 },
  });
  assert.ok(path.releaseAt(10) <= 0);
  path.released(0, 10);
  assert.equal(path.releaseAt(10), 1000);
  path.released(1000, 5000);
  assert.equal(path.releaseAt(1000), 6000);
});

test('new limits keep what was learned, within them', () => {
  const path = pathOf({ messageRate: { amount: 1, period: 1000, burst: 1 } });
  succeed(path, 14);
  path.released(0, 1);
  path.reconfigure({ ...path.limits, connections: 4 });
  assert.equal(path.window, 4);
  assert.equal(path.releaseAt(1), 1000, 'the rate did not change, so its state stays');
  path.reconfigure({ ...path.limits, messageRate: undefined });
  assert.ok(path.releaseAt(1) <= 0);
});

test('a clock that went back does not hold a path for ever', () => {
  const path = pathOf({ messageRate: { amount: 1, period: 1000, burst: 1 } });
  path.refused(1e12);
  path.released(1e12, 1);
  path.clockMoved(0);
  assert.ok(path.releaseAt(1) <= 3000);
  assert.ok(path.nextOpenAt <= 1000);
});
