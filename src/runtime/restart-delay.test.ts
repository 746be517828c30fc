import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restartDelay } from './restart-delay.ts';

test('the first restart is quick, the wait doubles, and has a ceiling', () => {
  assert.deepEqual([1, 2, 3, 4, 20].map(restartDelay), [250, 500, 1000, 2000, 30_000]);
});
