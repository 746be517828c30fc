import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Need, Room } from './room.ts';

const MIB = 2 ** 20;
const ONE: Need = { values: [new Uint8Array(100)], kind: 'adding' };
const PAGES = { pageOctets: 4096, lastPage: 1, free: 0 };

/** What the disk answers, one after the other and the last for ever; how often it was asked before each commit ended. */
async function askedBy(answers: readonly number[], times: readonly number[]): Promise<readonly number[]> {
  let asked = 0;
  let now = 0;
  const diskFree = (): Promise<number> => {
    const free = answers[Math.min(asked, answers.length - 1)] ?? 0;
    asked += 1;
    return Promise.resolve(free);
  };
  const room = new Room('/nowhere/data.mdb', diskFree, () => now);
  const counts: number[] = [];
  for (const at of times) {
    now = at;
    await room.isThere(ONE, () => PAGES);
    counts.push(asked);
  }
  return counts;
}

describe('how often a disk is asked what is free', () => {
  test('once in a tenth of a second when that is ample', async () => {
    assert.deepEqual(await askedBy([100_000 * MIB], [0, 1, 50, 99, 100, 150, 250]), [1, 1, 1, 1, 2, 2, 3]);
  });

  test('for each commit, during the one before, when it is not', async () => {
    assert.deepEqual(await askedBy([1000 * MIB], [0, 1, 2, 3]), [2, 3, 4, 5]);
  });

  test('again when the answer is old: other programs fill disks too', async () => {
    assert.deepEqual(await askedBy([1000 * MIB], [0, 3_600_000]), [2, 4]);
    assert.deepEqual(await askedBy([100_000 * MIB, 0], [0, 3_600_000]), [1, 3]);
  });

  test('again for the next commit when it could not be asked', async () => {
    let asked = 0;
    const room = new Room('/nowhere/data.mdb', () => {
      asked += 1;
      return Promise.reject(new Error('no such device'));
    });
    assert.ok(await room.isThere(ONE, () => PAGES));
    assert.equal(asked, 2);
  });
});
