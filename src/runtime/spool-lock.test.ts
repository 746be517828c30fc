import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { controlSocket } from '../api/control-socket.ts';
import { takeSpoolLock } from './spool-lock.ts';

const root = mkdtempSync(join(tmpdir(), 'lock-'));
after(() => rmSync(root, { recursive: true }));
const folder = (): string => mkdtempSync(join(root, 'spool-'));

test('a spool is locked once, and again after its release', async () => {
  const spool = folder();
  const first = await takeSpoolLock(spool);
  assert.ok(first);
  if (process.platform === 'linux') assert.equal(await takeSpoolLock(spool), undefined);
  first.release();
  await new Promise((resolve) => void setImmediate(resolve));
  const second = await takeSpoolLock(spool);
  assert.ok(second);
  second.release();
});

test('of many that start in one instant, one gets it', { skip: process.platform !== 'linux' }, async () => {
  const spool = folder();
  const locks = await Promise.all(Array.from({ length: 20 }, () => takeSpoolLock(spool)));
  const held = locks.filter((lock) => lock !== undefined);
  assert.equal(held.length, 1);
  for (const lock of held) lock.release();
});

test('a spool whose control socket answers is not locked', async () => {
  const spool = folder();
  const server = createServer().listen(controlSocket(spool));
  await new Promise((resolve) => void server.once('listening', resolve));
  assert.equal(await takeSpoolLock(spool), undefined);
  await new Promise((resolve) => void server.close(resolve));
});

test('two spools do not know of each other', async () => {
  const locks = await Promise.all([folder(), folder()].map(takeSpoolLock));
  for (const lock of locks) {
    assert.ok(lock);
    lock.release();
  }
});
