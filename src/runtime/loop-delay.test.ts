import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { mergedText, snapshot } from '../observe/metrics.ts';
import { LoopDelay } from './loop-delay.ts';

const BLOCKED_MS = 150;
const LEAST_SECONDS = 0.1;

async function shown(thread: string, quantile: string): Promise<number> {
  const text = await mergedText([await snapshot()]);
  const series = `postrider_event_loop_delay_seconds{thread="${thread}",quantile="${quantile}"}`;
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  assert.notEqual(line, undefined, `no ${series}`);
  return Number(line?.slice(series.length));
}

function block(): void {
  const until = performance.now() + BLOCKED_MS;
  while (performance.now() < until);
}

test('a thread whose loop was blocked shows it, once it runs again, as its own', async () => {
  const loop = new LoopDelay('archivist');
  await pause(50);
  block();
  await pause(50);
  loop.show();
  assert.ok((await shown('archivist', '1')) > LEAST_SECONDS, `${await shown('archivist', '1')} s`);
  assert.ok((await shown('archivist', '0.99')) > LEAST_SECONDS);
  assert.equal(await shown('worker', '1'), 0);
});

test('figures are those since the last time', async () => {
  const loop = new LoopDelay('main');
  await pause(50);
  block();
  await pause(50);
  loop.show();
  loop.show();
  assert.equal(await shown('main', '1'), 0);
});
