/** How often a disk is asked for its room, and what is done with the answer. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandTimers } from './scratch.contract.ts';
import { Room } from './room.ts';

const GIB = 2 ** 30;
const NEED = { values: [Buffer.alloc(10)], kind: 'adding' } as const;
const PAGES = { pageOctets: 4096, lastPage: 10, free: 0 };

function roomOn(answers: readonly number[], timers?: HandTimers) {
  let asked = 0;
  const diskFree = (): Promise<number> => Promise.resolve(answers[Math.min(asked++, answers.length - 1)] ?? 0);
  const room = new Room('/nowhere/data.mdb', diskFree, timers);
  return { isThere: () => room.isThere(NEED, () => PAGES), asked: () => asked };
}

describe('room', () => {
  it('is asked for once in a tenth of a second where there is ample', async () => {
    const timers = new HandTimers();
    const { isThere, asked } = roomOn([3 * GIB], timers);
    for (let n = 0; n < 5; n += 1) assert.equal(await isThere(), true);
    assert.equal(asked(), 1);
    timers.fire(100);
    assert.equal(await isThere(), true);
    assert.equal(asked(), 2);
  });

  it('is asked for with each commit where there is less', async () => {
    const { isThere, asked } = roomOn([GIB], new HandTimers());
    for (let n = 0; n < 5; n += 1) assert.equal(await isThere(), true);
    assert.equal(asked(), 6);
  });

  it('is not taken for there because it was once', async () => {
    const timers = new HandTimers();
    let pages = 0;
    let free = 3 * GIB;
    const room = new Room('/nowhere/data.mdb', () => Promise.resolve(free), timers);
    const look = (): Promise<boolean> => room.isThere(NEED, () => ((pages += 1), PAGES));
    await look();
    free = 0;
    timers.fire(100);
    await look();
    assert.ok(pages > 0, 'a disk without room is looked at closely');
    room.close();
    assert.equal(timers.pending, 0);
  });
});
