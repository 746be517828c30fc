import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOfPriority, parsePriority } from './priority.ts';

test('priorities from -9 to 9, and nothing else', () => {
  for (let priority = -9; priority <= 9; priority++)
    assert.deepEqual(parsePriority(String(priority)), { ok: true, value: priority });
  for (const text of [undefined, '', '10', '-10', '+1', '-0', '01', '1.0', 'high'])
    assert.equal(parsePriority(text).ok, false, text);
});

test('each leads to a class', () => {
  assert.deepEqual([9, 1, 0, -1, -9].map(classOfPriority), [
    'transactional',
    'transactional',
    undefined,
    'bulk',
    'bulk',
  ]);
});
