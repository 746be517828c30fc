/** Where the power may go, and which disks are drawn there. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stepsOf } from './disk.ts';
import { drawsOf, sample } from './draw.ts';
import { type Operation } from './operations.ts';
import { cutsOf } from './recording.ts';

const ID = '01m89y9zha000004v86d';

function operation(deed: object, i: number): Operation {
  return { entered: 4 * i, left: 4 * i + 1, at: i, ...deed } as Operation;
}

describe('cuts', () => {
  const steps = stepsOf(
    [
      { kind: 'create', path: '/r/spool/a' },
      { kind: 'said', octets: Buffer.from('250 2.1.5 Ok\r\n') },
      { kind: 'sync', path: '/r/spool/events/history.db-wal' },
      { kind: 'said', octets: Buffer.from(`354 go on\r\n250 2.0.0 Queued as ${ID}\r\n`) },
      { kind: 'sync', path: '/r/spool/a' },
    ].map(operation),
  );
  const { cuts, answers } = cutsOf(steps);

  test('lie before and behind what changes the disk, and where an answer begins', () =>
    assert.deepEqual(
      cuts.map((cut) => cut.steps),
      [1, 2, 7, 9, 10],
    ));
  test('know which messages were answered by then', () => {
    assert.deepEqual(answers, [ID]);
    assert.deepEqual(
      cuts.map(({ answered }) => answered),
      [0, 0, 1, 1, 1],
    );
  });
  test('are given their extremes and so many subsets, the same for the same seed', () => {
    const draws = drawsOf(cuts, 3, 5);
    assert.equal(draws.length, 5 * cuts.length);
    assert.deepEqual(
      draws.slice(0, 2).map(({ kept }) => kept),
      ['nothing', 'all'],
    );
    assert.deepEqual(drawsOf(cuts, 3, 5), draws);
    assert.notDeepEqual(drawsOf(cuts, 3, 6), draws);
  });
});

test('a sample has as many as were asked for, in order, and other seeds give others', () => {
  const all = Array.from({ length: 1000 }, (_, i) => i);
  const some = sample(all, 100, 1);
  assert.equal(some.length, 100);
  assert.deepEqual(
    some,
    some.toSorted((a, b) => a - b),
  );
  assert.notDeepEqual(sample(all, 100, 2), some);
  assert.deepEqual(sample(all, 1000, 3), all);
  assert.deepEqual(sample([], 10, 3), []);
});
