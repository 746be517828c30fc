/** The short form of `npm run prove -- limits`. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { limitsSuite } from '../../prove/limits/limits.ts';

test('limits of one process: idle connections, and a queue larger than memory', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const tell = (text: string): void => t.diagnostic(text);
  const { cases, figures, failures, skipped } = await limitsSuite.run({
    length: 'short',
    seed,
    tell,
    fault: undefined,
  });
  for (const [what, count] of Object.entries({ ...cases, ...figures })) t.diagnostic(`${count} ${what}`);
  for (const reason of skipped) t.diagnostic(`skipped: ${reason}`);
  assert.deepEqual(failures, []);
});
