import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openPickupFolders } from './pickup-folder.ts';

const base = mkdtempSync('/tmp/pickup-folder-');
after(() => rmSync(base, { recursive: true, force: true }));
let n = 0;
const place = (): string => join(base, String(n++));
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe('openPickupFolders', () => {
  for (const [access, want] of [
    ['users', ['711', '3733', '700']],
    ['owner', ['700', '700', '700']],
  ] as const) {
    test(`makes folders for ${access}`, async () => {
      const folder = join(place(), 'deep');
      const { drop, bad } = await openPickupFolders(folder, access);
      assert.deepEqual([folder, drop, bad].map(modeOf), want);
    });
    test(`mends their modes for ${access}, whatever the umask`, async () => {
      const before = process.umask(0o077);
      try {
        const folder = place();
        mkdirSync(join(folder, 'drop'), { recursive: true });
        chmodSync(join(folder, 'drop'), 0o777);
        const { drop, bad } = await openPickupFolders(folder, access);
        assert.deepEqual([folder, drop, bad].map(modeOf), want);
      } finally {
        process.umask(before);
      }
    });
  }

  test(
    'what another user owns is not used',
    { skip: process.getuid?.() !== 0 && 'only root gives files away' },
    async () => {
      const folder = place();
      mkdirSync(join(folder, 'drop'), { recursive: true });
      chownSync(join(folder, 'drop'), 12_345, 12_345);
      await assert.rejects(openPickupFolders(folder, 'users'), /drop is not a folder of this user/);
    },
  );

  test('a link in its place is not followed', async () => {
    const folder = place();
    mkdirSync(folder);
    symlinkSync('/tmp', join(folder, 'drop'));
    await assert.rejects(openPickupFolders(folder, 'users'), /not a folder of this user/);
  });
});
