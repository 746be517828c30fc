import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counter, gauge, type MetricsSnapshot, snapshot } from '../observe/metrics.ts';
import { type CountingThread, ThreadMetrics } from './thread-metrics.ts';

const counted = counter('postrider_threadtest_total', 'For this test.');
const level = gauge('postrider_threadtest_level', 'For this test.');

/** A thread that has counted so much, and stands so high. */
async function having(count: number, high: number): Promise<MetricsSnapshot> {
  counted.add(count);
  level.set(high);
  const all = await snapshot();
  const taken = structuredClone(all);
  counted.add(0);
  return taken.filter((metric) => 'name' in metric && String(metric.name).startsWith('postrider_threadtest'));
}

const thread = (answer: () => Promise<MetricsSnapshot>): CountingThread => ({ ask: answer });

function values(text: string): { readonly total: number; readonly level: number } {
  const of = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  return { total: of('postrider_threadtest_total'), level: of('postrider_threadtest_level') };
}

test('threads are added up; what a dead one had counted stays, what it stood at goes, and it is counted once', async () => {
  const metrics = new ThreadMetrics();
  const first = await having(5, 3);
  const a = thread(async () => first);
  const b = thread(async () => first);
  assert.deepEqual(values(await metrics.text([a, b], [])), { total: 10, level: 6 });
  for (let i = 0; i < 3; i += 1) assert.deepEqual(values(await metrics.text([b], [])), { total: 10, level: 3 });
  // Its successor begins at nought.
  const fresh = thread(async () => []);
  assert.deepEqual(values(await metrics.text([fresh, b], [])), { total: 10, level: 3 });
});

test('a thread that does not answer is shown as it was last seen', async () => {
  const metrics = new ThreadMetrics();
  const known = await having(0, 3);
  let dying = false;
  const a = thread(() => (dying ? Promise.reject(new Error('it ended')) : Promise.resolve(known)));
  const before = values(await metrics.text([a], []));
  dying = true;
  assert.deepEqual(values(await metrics.text([a], [])), before);
  assert.match(
    await metrics.text([thread(() => Promise.reject(new Error('no')))], known),
    /postrider_threadtest_total/,
  );
});

test('two that ask at once do not count a dead thread twice', async () => {
  const metrics = new ThreadMetrics();
  const known = await having(0, 1);
  const a = thread(async () => known);
  const { total } = values(await metrics.text([a], []));
  const texts = await Promise.all([metrics.text([], []), metrics.text([], []), metrics.text([], [])]);
  assert.deepEqual(
    texts.map((text) => values(text).total),
    [total, total, total],
  );
});
