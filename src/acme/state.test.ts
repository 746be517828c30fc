import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAcmeState } from './state.ts';

const NOTHING = { failures: 0, lastError: '', lastOrderAt: 0, notBefore: 0 };

const cases = [
  ['no file', undefined, NOTHING],
  ['cut short', '{"failures":3,', NOTHING],
  ['not an object', '[1]', NOTHING],
  ['null', 'null', NOTHING],
  ['other types', '{"failures":"3","lastError":4,"notBefore":-1}', NOTHING],
  [
    'what was written',
    '{"failures":3,"lastError":"no","lastOrderAt":5,"notBefore":7}',
    { failures: 3, lastError: 'no', lastOrderAt: 5, notBefore: 7 },
  ],
] as const;
for (const [title, text, state] of cases) test(title, () => assert.deepEqual(readAcmeState(text), state));
