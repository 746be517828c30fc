import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaintsIn } from './complaints.ts';

test('errors and warnings of Node.js are complaints, what is told by the way is none', () => {
  const bad = [
    '2026-01-01T00:00:00.000Z error a worker died, starting it again worker=0',
    '(node:7) MaxListenersExceededWarning: Possible EventEmitter memory leak detected.',
  ];
  const good = ['2026-01-01T00:00:00.000Z info running', '2026-01-01T00:00:00.000Z warn running as root: run it', ''];
  assert.deepEqual(complaintsIn([...good, ...bad].join('\n')), bad);
});
