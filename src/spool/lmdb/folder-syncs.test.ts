import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FolderSyncs } from './folder-syncs.ts';

const folder = mkdtempSync(join(tmpdir(), 'syncs-'));
after(() => rmSync(folder, { recursive: true }));

test('who asks while a sync is under way waits for one that begins later, together with all others', async () => {
  const syncs = new FolderSyncs();
  const first = syncs.sync(folder);
  const second = syncs.sync(folder);
  const third = syncs.sync(folder);
  assert.notEqual(first, second);
  assert.equal(second, third);
  const order: string[] = [];
  await Promise.all([first.then(() => order.push('first')), second.then(() => order.push('second'))]);
  assert.deepEqual(order, ['first', 'second']);
});

test('when all is over the next sync begins at once', async () => {
  const syncs = new FolderSyncs();
  await Promise.all([syncs.sync(folder), syncs.sync(folder)]);
  const alone = syncs.sync(folder);
  assert.notEqual(alone, syncs.sync(folder));
  await alone;
});

test('folders do not wait for each other', async () => {
  const syncs = new FolderSyncs();
  const one = syncs.sync(folder);
  const other = syncs.sync(tmpdir());
  assert.notEqual(one, other);
  await Promise.all([one, other]);
});

test('a failure is heard by those who asked before it, and by nobody later', async () => {
  const syncs = new FolderSyncs();
  const missing = join(folder, 'missing');
  const first = assert.rejects(syncs.sync(missing), /ENOENT/);
  const second = assert.rejects(syncs.sync(missing), /ENOENT/);
  await Promise.all([first, second]);
  await assert.rejects(syncs.sync(missing), /ENOENT/);
  await syncs.sync(folder);
});
