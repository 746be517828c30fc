import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCode, errorText } from './error-text.ts';

const CASES: readonly (readonly [string, unknown, string, string])[] = [
  ['an error', new Error('no such file'), 'no such file', 'no such file'],
  ['one with a code', Object.assign(new Error('no such file'), { code: 'ENOENT' }), 'no such file', 'ENOENT'],
  ['one whose code is a number', Object.assign(new Error('broken'), { code: 11 }), 'broken', 'broken'],
  ['a text', 'no such file', 'no such file', 'no such file'],
  ['nothing', undefined, 'undefined', 'undefined'],
];

for (const [name, thrown, text, code] of CASES)
  test(name, () => assert.deepEqual([errorText(thrown), errorCode(thrown)], [text, code]));
