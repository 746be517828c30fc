/** Who reads while another writes, in threads and in processes that are killed. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type Domain } from '../../mail/domain.ts';
import { checkDirectory, openSqliteDirectory } from './sqlite-directory.ts';

const A = 'a.test' as Domain;
const folder = mkdtempSync(join(tmpdir(), 'directory-readers-'));
after(() => rmSync(folder, { recursive: true }));

const READER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ openSqliteDirectory }) => {
  const store = openSqliteDirectory(workerData.file, 'read');
  let reads = 0;
  let last = 0;
  parentPort.on('message', (until) => {
    store.refresh();
    const keys = store.signingKeys('a.test');
    const times = new Set(keys.map(({ since }) => since));
    reads += 1;
    if (keys.length !== 4 || times.size !== 1) throw new Error('half a change: ' + JSON.stringify([...times]));
    const [since] = times;
    if (since < last || since < until) throw new Error('an older state: ' + since + ' after ' + last);
    last = since;
    parentPort.postMessage({ since, reads });
  });
  parentPort.postMessage('ready');
});`;

test('threads that read while one writes see each change whole, and none that is older than they were told of', async () => {
  const file = join(folder, 'threads.db');
  const store = openSqliteDirectory(file, 'write');
  const put = (since: number): void =>
    store.putKeys(
      ['a', 'b', 'c', 'd'].map((selector) => ({
        ...{ domain: A, selector, since, algorithm: 'rsa-sha256', privateKey: 'PEM', state: 'signing' },
      })) as Parameters<typeof store.putKeys>[0],
    );
  put(1);
  const module = new URL('sqlite-directory.ts', import.meta.url).href;
  const readers = [1, 2, 3].map(() => new Worker(READER, { eval: true, workerData: { file, module } }));
  await Promise.all(readers.map((reader) => once(reader, 'message')));
  for (let since = 2; since < 200; since += 1) {
    // The write goes on while those before are being read.
    put(since);
    const answers = readers.map((reader) => once(reader, 'message'));
    for (const reader of readers) reader.postMessage(since, []);
    put((since += 1));
    await Promise.all(answers);
  }
  await Promise.all(readers.map((reader) => reader.terminate()));
  store.close();
});

test('a writer that is killed leaves what it had said was done, and no half of the next', async () => {
  const file = join(folder, 'killed.db');
  for (let round = 1; round <= 8; round += 1) {
    const script = new URL('writer-child.contract.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    let said = 0;
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      said = Number(line);
      // Each round at another place.
      if ((lines += 1) === round * 7) child.kill('SIGKILL');
    }
    await ended;
    assert.deepEqual(checkDirectory(file), []);
    const store = openSqliteDirectory(file, 'write');
    const times = new Set(store.keys(A).map(({ since }) => since));
    assert.equal(store.keys(A).length, 4);
    assert.equal(times.size, 1, 'all four keys are of one change');
    const [since = 0] = times;
    assert.ok(since === said || since === said + 1, `${since} is there, ${said} was the last that was said`);
    store.close();
  }
});
