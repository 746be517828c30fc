import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { OpenSockets } from './open-sockets.ts';

class FakeSocket extends EventEmitter {
  destroyed = 0;

  destroy(): void {
    this.destroyed += 1;
    this.emit('close');
  }
}

test('those that are open are destroyed, and no other', () => {
  const sockets = new OpenSockets();
  const [first, second, gone] = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
  for (const socket of [first, second, gone]) sockets.add(socket);
  gone.emit('close');
  sockets.destroy();
  assert.deepEqual([first.destroyed, second.destroyed, gone.destroyed], [1, 1, 0]);
  sockets.destroy();
  assert.deepEqual([first.destroyed, second.destroyed], [1, 1]);
});
