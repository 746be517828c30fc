import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { after, test } from 'node:test';
import { controlSocket } from '../api/control-socket.ts';
import { holderOf } from './control-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'lock-'));
after(() => rmSync(folder, { recursive: true }));

test('a folder without a socket is held by nobody', async () => {
  assert.equal(await holderOf(controlSocket(folder)), 'nobody');
});

test('a socket where somebody answers is held', async () => {
  const path = join(folder, 'live.sock');
  const server = createServer().listen(path);
  await new Promise((resolve) => void server.once('listening', resolve));
  assert.equal(await holderOf(path), 'somebody');
  assert.ok(existsSync(path));
  await new Promise((resolve) => void server.close(resolve));
});

test('a socket that a killed server left is removed, and held by nobody', async () => {
  const path = join(folder, 'dead.sock');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(existsSync(path));
  assert.equal(await holderOf(path), 'nobody');
  assert.ok(!existsSync(path));
});

test('a path that is too long for a socket is refused, and held by nobody', async () => {
  await assert.rejects(holderOf(controlSocket(join(folder, 'é'.repeat(50)))), /has \d+ octets, and 107 is the most; /);
});
