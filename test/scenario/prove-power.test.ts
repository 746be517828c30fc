/** The short form of the prover's power suite: whatever a power cut leaves, what was answered with 250 is there. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { powerSuite } from '../../prove/power/power.ts';

test(powerSuite.about, async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const tell = (text: string): void => t.diagnostic(text);
  const { cases, failures, figures, skipped } = await powerSuite.run({ length: 'short', seed, tell, fault: undefined });
  t.diagnostic(JSON.stringify({ cases, figures }));
  assert.deepEqual(failures, []);
  if (skipped.length > 0) return t.skip(skipped.join('; '));
  assert.ok((cases['different disks opened'] ?? 0) > 200, 'hardly a disk was opened');
});
