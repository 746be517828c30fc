import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { type Link, linkPair, PortLink } from './link.ts';

type Pair = readonly [Link<unknown, unknown>, Link<unknown, unknown>];

function ports(): Pair {
  const { port1, port2 } = new MessageChannel();
  return [new PortLink(port1), new PortLink(port2)];
}

for (const [name, make] of [
  ['in one thread', linkPair as () => Pair],
  ['over a message port', ports],
] as const) {
  describe(`a link ${name}`, () => {
    test('delivers in order what was posted, also before anybody listened', async () => {
      const [a, b] = make();
      for (let i = 0; i < 5; i++) a.post(i);
      await new Promise((resolve) => void setImmediate(resolve));
      a.post(5);
      const got = await new Promise<unknown[]>((resolve) => {
        const all: unknown[] = [];
        b.onMessage((message) => {
          all.push(message);
          if (all.length === 6) resolve(all);
        });
      });
      assert.deepEqual(got, [0, 1, 2, 3, 4, 5]);
      a.close();
      b.close();
    });

    test('carries both ways', async () => {
      const [a, b] = make();
      b.onMessage((message) => b.post(`${String(message)} heard`));
      const answer = await new Promise((resolve) => {
        a.onMessage(resolve);
        a.post('hello');
      });
      assert.equal(answer, 'hello heard');
      a.close();
      b.close();
    });

    test('is never delivered in the turn it was posted in', () => {
      const [a, b] = make();
      let heard = false;
      b.onMessage(() => (heard = true));
      a.post(1);
      assert.equal(heard, false);
      a.close();
      b.close();
    });
  });
}

test('transferred octets arrive and are gone from the sender', async () => {
  const [a, b] = ports();
  const octets = new Uint8Array([1, 2, 3]);
  const got = await new Promise((resolve) => {
    b.onMessage(resolve);
    a.post({ octets }, [octets.buffer as ArrayBuffer]);
  });
  assert.deepEqual(got, { octets: new Uint8Array([1, 2, 3]) });
  assert.equal(octets.length, 0);
  a.close();
  b.close();
});

describe('a large batch over a message port', () => {
  const MANY = 1000;

  test('is taken in slices, in order, and others have their turns between', async () => {
    const [a, b] = ports();
    const all: unknown[] = [];
    let [inTurn, most, over] = [0, 0, false];
    const nextTurn = (): void => {
      inTurn = 0;
      if (!over) setImmediate(nextTurn);
    };
    const taken = new Promise<void>((resolve) => {
      b.onMessage((message) => {
        all.push(message);
        most = Math.max(most, (inTurn += 1));
        if (all.length === MANY) resolve();
      });
    });
    nextTurn();
    for (let i = 0; i < MANY; i++) a.post(i);
    await taken;
    over = true;
    assert.deepEqual(
      all,
      Array.from({ length: MANY }, (_, i) => i),
    );
    assert.ok(most <= 128, `${most} in one turn`);
    a.close();
    b.close();
  });

  test('lets others have a turn after each message that takes long', async () => {
    const [a, b] = ports();
    let [inTurn, most, over] = [0, 0, false];
    const nextTurn = (): void => {
      inTurn = 0;
      if (!over) setImmediate(nextTurn);
    };
    const taken = new Promise<void>((resolve) => {
      b.onMessage((last) => {
        most = Math.max(most, (inTurn += 1));
        const until = performance.now() + 11;
        while (performance.now() < until);
        if (last === true) resolve();
      });
    });
    nextTurn();
    for (const last of [false, false, false, false, true]) a.post(last);
    await taken;
    over = true;
    assert.ok(most <= 2, `${most} in one turn`);
    a.close();
    b.close();
  });

  test('is taken to its end before the end of the port is told', async () => {
    const { port1, port2 } = new MessageChannel();
    const [a, b] = [new PortLink(port1), new PortLink(port2)];
    let count = 0;
    // Somebody else may have listened for the end before.
    const ended = new Promise<number>(
      (resolve) => void port2.once('close', () => queueMicrotask(() => resolve(count))),
    );
    b.onMessage(() => (count += 1));
    for (let i = 0; i < MANY; i++) a.post(i);
    a.close();
    assert.equal(await ended, MANY);
  });
});
