/** The short form of what `npm run prove -- time` attacks. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { timeSuite } from '../../prove/time/time.ts';

test(timeSuite.about, async (t) => {
  const seed = randomInt(2 ** 31);
  const tell = (text: string): void => t.diagnostic(text);
  const { cases, figures, failures, skipped } = await timeSuite.run({ length: 'short', seed, tell, fault: undefined });
  for (const reason of skipped) await t.test('what cannot be tried here', { skip: reason }, () => undefined);
  t.diagnostic(JSON.stringify({ seed, cases, figures }));
  assert.deepEqual(failures, []);
});
