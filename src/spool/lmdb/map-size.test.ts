/** The store opens also where address space is limited. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addressSpaceLimit } from './map-size.ts';
import { scratch } from './scratch.contract.ts';

test('the limit is read from what the kernel says', () => {
  const line = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax address space         ${soft.padEnd(20)} unlimited            bytes     \n`;
  assert.equal(addressSpaceLimit(line('61440000000')), 61_440_000_000);
  assert.equal(addressSpaceLimit(line('unlimited')), undefined);
  assert.equal(addressSpaceLimit(''), undefined);
});

test(
  'a spool is opened and written under a limit',
  { skip: process.platform === 'linux' ? false : 'Linux only' },
  async () => {
    const here = scratch();
    const child = fileURLToPath(new URL('crash-child.contract.ts', import.meta.url));
    const command = 'ulimit -v 60000000 && exec "$0" "$1" "$2" 0';
    const shell = spawn('sh', ['-c', command, process.execPath, child, here.folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('accepted')) shell.kill('SIGKILL');
    });
    const [, signal] = await once(shell, 'close');
    assert.equal(signal, 'SIGKILL', 'it ended by itself');
    assert.match(said, /^accepted \d+$/m);
    here.remove();
  },
);
