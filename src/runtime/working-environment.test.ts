import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeArguments, workingEnvironment } from './working-environment.ts';

describe('what the working process is started with', () => {
  const growth = '--heap-growing-percent=100';
  const cases = [
    { name: 'bounds on memory', own: [], nodeOptions: undefined, want: ['--max-semi-space-size=8', growth] },
    {
      name: 'beside what the parent was given',
      own: ['--trace-uncaught'],
      nodeOptions: '--no-warnings',
      want: ['--trace-uncaught', '--max-semi-space-size=8', growth],
    },
    {
      name: 'not beside another on the command line',
      own: ['--max-semi-space-size=64'],
      nodeOptions: undefined,
      want: ['--max-semi-space-size=64', growth],
    },
    { name: 'nor in the environment', own: [], nodeOptions: '--x --max_semi_space_size=1', want: [growth] },
  ];
  for (const { name, own, nodeOptions, want } of cases)
    test(name, () => assert.deepEqual(nodeArguments(own, nodeOptions), want));

  test('few heaps of the C library, unless the operator wants others', () => {
    assert.equal(workingEnvironment({})['MALLOC_ARENA_MAX'], '2');
    assert.equal(workingEnvironment({ MALLOC_ARENA_MAX: '7' })['MALLOC_ARENA_MAX'], '7');
    assert.ok(Number(workingEnvironment({})['UV_THREADPOOL_SIZE']) > 8);
    assert.equal(workingEnvironment({ PATH: '/bin' })['PATH'], '/bin');
  });
});
