import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { MINUTE } from '../lib/time.ts';
import { FailureCounts } from './failure-counts.ts';
import { timeTable } from './shared-times.ts';

const RATE = { amount: 1, period: MINUTE, burst: 5 };

describe('failures', () => {
  test('may come at once as often as it says, then one in each time', () => {
    let now = 1e6;
    const counts = new FailureCounts(timeTable(), () => now);
    for (let n = 0; n < 5; n += 1) {
      assert.equal(counts.isSpent('ann', RATE), false, `after ${n}`);
      counts.add('ann', RATE);
    }
    assert.equal(counts.isSpent('ann', RATE), true);
    assert.equal(counts.isSpent('bob', RATE), false);
    now += MINUTE - 1;
    assert.equal(counts.isSpent('ann', RATE), true);
    now += 1;
    assert.equal(counts.isSpent('ann', RATE), false);
    counts.add('ann', RATE);
    assert.equal(counts.isSpent('ann', RATE), true);
    now += 5 * MINUTE;
    assert.equal(counts.isSpent('ann', RATE), false);
  });

  test('that go on while one is to wait do not make it longer', () => {
    let now = 1e6;
    const counts = new FailureCounts(timeTable(), () => now);
    for (let n = 0; n < 1000; n += 1) counts.add('ann', RATE);
    now += MINUTE - 1;
    assert.equal(counts.isSpent('ann', RATE), true);
    now += 1;
    assert.equal(counts.isSpent('ann', RATE), false);
  });

  test('of very many names do not make a stranger wait, nor let anybody off', () => {
    const counts = new FailureCounts(timeTable(), () => 1e6);
    for (let n = 0; n < 5; n += 1) counts.add('ann', RATE);
    for (let n = 0; n < 20_000; n += 1) counts.add(`name${n}`, RATE);
    assert.equal(counts.isSpent('ann', RATE), true);
    const wronged = Array.from({ length: 1000 }, (_, n) => `stranger${n}`).filter((key) => counts.isSpent(key, RATE));
    assert.ok(wronged.length <= 1, `${wronged.length} of 1000`);
  });

  test('of several threads are counted together', async () => {
    const table = timeTable();
    const counts = new FailureCounts(table, () => 1e6);
    const rate = { amount: 1, period: MINUTE, burst: 4001 };
    const code = `
      const { workerData } = require('node:worker_threads');
      import(workerData.module).then(({ FailureCounts }) => {
        const counts = new FailureCounts(workerData.table, () => 1e6);
        for (let n = 0; n < 1000; n += 1) counts.add('ann', workerData.rate);
      });`;
    const module = new URL('failure-counts.ts', import.meta.url).href;
    const workers = Array.from(
      { length: 4 },
      () => new Worker(code, { eval: true, workerData: { table, module, rate } }),
    );
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    assert.equal(counts.isSpent('ann', rate), false);
    counts.add('ann', rate);
    assert.equal(counts.isSpent('ann', rate), true);
  });
});
