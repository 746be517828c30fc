/** The short form of what `npm run prove -- storage` attacks. */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { storageSuite } from '../../prove/storage/storage.ts';

test(storageSuite.about, async (t) => {
  const seed = randomInt(2 ** 31);
  const tell = (text: string): void => t.diagnostic(text);
  const { cases, figures, failures, skipped } = await storageSuite.run({
    length: 'short',
    seed,
    tell,
    fault: undefined,
  });
  for (const reason of skipped) await t.test('what cannot be tried here', { skip: reason }, () => undefined);
  t.diagnostic(JSON.stringify({ seed, cases, figures }));
  assert.deepEqual(failures, []);
});
