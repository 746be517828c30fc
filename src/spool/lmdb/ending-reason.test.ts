/** The line with which a process ends says that a commit failed, whatever was the first to hear of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpoolError } from '../spool.ts';
import { endingReason } from './store.ts';

const PANIC = 'MDB_PANIC: Update of meta page failed or environment had fatal error';

for (const [name, error, reason] of [
  [
    'a read after a failed commit',
    Object.assign(new Error(PANIC), { code: -30795 }),
    `a commit failed: Error: ${PANIC}`,
  ],
  [
    'a call that gives it in words only',
    new Error(`Invalid argument: ${PANIC}`),
    `a commit failed: Error: Invalid argument: ${PANIC}`,
  ],
  ['the commit itself', new SpoolError('broken', 'a commit failed: EIO'), 'Error: a commit failed: EIO'],
  ['anything else', new TypeError('no'), 'TypeError: no'],
  ['what is no error', 'no', 'no'],
] as const)
  test(name, () => assert.equal(endingReason(error), reason));
