import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import process from 'node:process';
import { readConfig } from '../config/config.ts';
import { checkPorts } from './port-check.ts';

let taken: Server;
let port: number;

before(async () => {
  taken = createServer();
  await new Promise<void>((resolve) => {
    // As a worker of another server would.
    taken.listen({ host: '127.0.0.1', port: 0, reusePort: process.platform === 'linux' }, resolve);
  });
  ({ port } = taken.address() as AddressInfo);
});
after(() => void taken.close());

function listenersOn(...ports: readonly number[]) {
  const listeners = ports.map((each, i) => ({ name: `in${i}`, host: '127.0.0.1', port: each }));
  const read = readConfig({ hostname: 'us.test', listeners, http: { enabled: false } }, '/');
  assert.ok(read.ok);
  return read.value.listeners;
}

test('a port that another program shares is taken, and the listener is named with what to do', async () => {
  await assert.rejects(checkPorts(listenersOn(0, port)), (error: Error) => {
    assert.match(error.message, /^listener in1 cannot listen on 127\.0\.0\.1 port \d+: another program listens there/);
    return true;
  });
});

test('a port that is ours already is no problem', async () => {
  await checkPorts(listenersOn(port), listenersOn(port));
});

test('a port that the system chooses is always free, and a checked port is free again', async () => {
  const free = createServer();
  await new Promise<void>((resolve) => void free.listen(0, '127.0.0.1', resolve));
  const { port: freed } = free.address() as AddressInfo;
  await new Promise<void>((resolve) => void free.close(() => resolve()));
  await checkPorts(listenersOn(0, freed));
  await checkPorts(listenersOn(freed));
});
