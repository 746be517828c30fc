/** The working process, as far as it comes with a folder that it must not use. */

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EXIT } from './exit-codes.ts';
import { runWorking } from './working.ts';

const place = mkdtempSync(join(tmpdir(), 'working-'));
after(() => rmSync(place, { recursive: true }));

function start(folder: string): Promise<number> {
  const written = { hostname: 'mx.home.test', listeners: [], http: { enabled: false }, spool: { folder } };
  return runWorking({
    config: { kind: 'value', written, folder: place },
    ...{ sandbox: undefined, movableClock: false, ready: () => assert.fail('it is up'), events: () => undefined },
  });
}

test('a folder that holds something else is refused, and stays as it is', async () => {
  const other = join(place, 'other');
  mkdirSync(other);
  chmodSync(other, 0o755);
  writeFileSync(join(other, 'file'), 'keep');
  assert.equal(await start('other'), EXIT.configuration);
  assert.deepEqual(readdirSync(other), ['file']);
  assert.equal(statSync(other).mode & 0o777, 0o755);
});
