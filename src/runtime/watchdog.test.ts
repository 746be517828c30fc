import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_SILENCE } from '../observe/health.ts';
import { LOOK_EVERY, Watchdog } from './watchdog.ts';

/** Looks every second from one time to the other, with signs of life from those who are named. */
function watch(dog: Watchdog<string>, [from, to]: readonly [number, number], alive: readonly string[] = []): string[] {
  const silent: string[] = [];
  for (let now = from; now < to; now += LOOK_EVERY) {
    for (const id of alive) dog.heard(id, now);
    silent.push(...dog.silent(now));
  }
  return silent;
}

test('who says nothing for long enough is named, once; who does is not', () => {
  const dog = new Watchdog<string>();
  dog.heard('a', 0);
  dog.heard('b', 0);
  assert.deepEqual(watch(dog, [0, MAX_SILENCE], ['a']), []);
  assert.deepEqual(watch(dog, [MAX_SILENCE, 5 * MAX_SILENCE], ['a']), ['b']);
});

test('who is gone is not missed', () => {
  const dog = new Watchdog<string>();
  dog.heard('a', 0);
  dog.gone('a');
  assert.deepEqual(watch(dog, [0, 5 * MAX_SILENCE]), []);
});

test('a watcher that was held up itself blames nobody for what it did not hear', () => {
  const dog = new Watchdog<string>();
  dog.heard('a', 0);
  assert.deepEqual(dog.silent(0), []);
  // The process was stopped for an hour: the timer fires before any message is read.
  assert.deepEqual(dog.silent(3_600_000), []);
  assert.deepEqual(watch(dog, [3_601_000, 3_600_000 + MAX_SILENCE]), []);
  // But it is heard from now on, or it hangs.
  assert.deepEqual(dog.silent(3_600_000 + MAX_SILENCE), ['a']);
});
