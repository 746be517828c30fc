import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OctetWindow } from './octet-window.ts';

/** A window of 100 octets, and what goes through it until its number is answered. */
function world() {
  const window = new OctetWindow(100);
  const sent: number[] = [];
  const answers = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const go = (number: number, octets: number): Promise<number> =>
    window.through(octets, async () => {
      sent.push(number);
      await new Promise<void>((resolve, reject) => answers.set(number, { resolve, reject }));
      return number;
    });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { window, sent, answers, go, settled };
}

describe('a window of octets', () => {
  test('lets through what fits, and the next in turn when an answer has come', async () => {
    const { window, sent, answers, go, settled } = world();
    const all = [go(1, 60), go(2, 40), go(3, 50), go(4, 1)];
    await settled();
    assert.deepEqual(sent, [1, 2], 'nobody overtakes who waits, however small he is');
    assert.equal(window.used, 100);
    answers.get(2)?.resolve();
    await settled();
    assert.deepEqual(sent, [1, 2]);
    answers.get(1)?.resolve();
    await settled();
    assert.deepEqual(sent, [1, 2, 3, 4]);
    for (const { resolve } of answers.values()) resolve();
    assert.deepEqual(await Promise.all(all), [1, 2, 3, 4]);
    assert.equal(window.used, 0);
  });

  test('what is larger than it goes alone', async () => {
    const { sent, answers, go, settled } = world();
    void go(1, 10);
    void go(2, 1000);
    void go(3, 10);
    await settled();
    assert.deepEqual(sent, [1]);
    answers.get(1)?.resolve();
    await settled();
    assert.deepEqual(sent, [1, 2]);
    answers.get(2)?.resolve();
    await settled();
    assert.deepEqual(sent, [1, 2, 3]);
  });

  test('what takes no octets waits for nobody but those who wait', async () => {
    const { sent, go, settled } = world();
    void go(1, 100);
    void go(2, 0);
    await settled();
    assert.deepEqual(sent, [1, 2]);
  });

  test('who fails makes room too', async () => {
    const { window, sent, answers, go, settled } = world();
    const failing = go(1, 100);
    void go(2, 100);
    answers.get(1)?.reject(new Error('gone'));
    await assert.rejects(failing, /gone/);
    await settled();
    assert.deepEqual(sent, [1, 2]);
    assert.equal(window.used, 100);
  });
});
