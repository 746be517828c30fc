import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inUse, type Sample, samplesOf, summariesOf } from './samples.ts';

function sample(more: Partial<Sample>): Sample {
  return {
    ...{ at: 1000, pid: 7, thread: 'worker', collected: false, heapTotal: 10, heapUsed: 5, external: 2 },
    ...{ arrayBuffers: 1, waited: 3, worked: 1, ...more },
  };
}

describe('what probes have written', () => {
  test('a line that has no end yet is left out', () => {
    const line = JSON.stringify(sample({}));
    assert.deepEqual(samplesOf(`${line}\n${line}\n${line.slice(0, 9)}`), [sample({}), sample({})]);
    assert.deepEqual(samplesOf(''), []);
    assert.deepEqual(samplesOf(line), []);
  });

  test('the most of each thread, threads of one name together, other processes left out', () => {
    const summaries = summariesOf(
      [
        sample({ heapTotal: 10, worked: 9 }),
        sample({ heapTotal: 30, waited: 8 }),
        sample({ thread: 'main', external: 6 }),
        sample({ pid: 8, heapTotal: 99 }),
      ],
      7,
    );
    assert.deepEqual(Object.fromEntries(summaries), {
      worker: { heapMost: 30, externalMost: 2, waitedMost: 8, workedMost: 9 },
      main: { heapMost: 10, externalMost: 6, waitedMost: 3, workedMost: 1 },
    });
  });
});

describe('what is in use', () => {
  const collected = [
    sample({ at: 2000, collected: true, heapUsed: 5 }),
    sample({ at: 3000, collected: true, heapUsed: 6 }),
    sample({ at: 3000, thread: 'main', collected: true, heapUsed: 7 }),
  ];
  const cases = [
    { name: 'the last of each thread', samples: collected, since: 2000, want: 6 + 2 + 7 + 2 },
    { name: 'not what came with garbage after it', samples: [...collected, sample({ at: 4000 })], since: 0, want: 17 },
    { name: 'unknown while a thread is missing', samples: [...collected, sample({ thread: 'late' })], since: 0 },
    { name: 'nothing from before the order', samples: collected, since: 3001 },
  ];
  for (const { name, samples, since, want } of cases)
    test(name, () => assert.equal(inUse(samples, { pid: 7, since }), want));
});
