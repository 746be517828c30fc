/** The short form of the prover's suite of bad neighbours. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { neighboursSuite } from '../../prove/neighbours/neighbours.ts';

test('bad neighbours cost only themselves', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const tell = (text: string): void => t.diagnostic(text);
  const { cases, figures, failures, skipped } = await neighboursSuite.run({
    ...{ length: 'short', seed, tell, fault: undefined },
  });
  t.diagnostic(JSON.stringify({ cases, figures }));
  for (const reason of skipped) t.diagnostic(`SKIPPED ${reason}`);
  assert.deepEqual(failures, []);
});
