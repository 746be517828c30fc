/** The short form of the prover's suite. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readersSuite } from '../../prove/readers/readers.ts';

test(readersSuite.about, async (t) => {
  const tell = (text: string): void => t.diagnostic(text);
  const { failures } = await readersSuite.run({ length: 'short', seed: 0, tell, fault: undefined });
  assert.deepEqual(failures, []);
});
