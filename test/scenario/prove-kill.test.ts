/** The short form of the prover's suite `kill`: what was answered with 250 outlives any kill. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { killSuite } from '../../prove/kill/kill.ts';

test('killed at any instant and at every named point, nothing is lost, refused mail stays away, nothing is told twice', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const result = await killSuite.run({ length: 'short', seed, tell: console.log, fault: undefined });
  t.diagnostic(JSON.stringify({ ...result.cases, ...result.figures }));
  for (const reason of result.skipped) t.diagnostic(`left out: ${reason}`);
  assert.deepEqual(result.failures, []);
  const { 'kills with at least ten transactions open on each side': kills = 0 } = result.cases;
  assert.ok(kills >= 50 - 4 * result.skipped.length, `${kills} kills under load`);
});
