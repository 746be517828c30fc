/**
 * Folders that a run has left whose names it had not synced: they are there, and a power cut would take them with
 * whatever was put into them since. Whoever uses them makes sure of their names.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';
import { removeFolder, run, testFolder } from '../../test/lib/processes.ts';
import { Disk, NOTHING_KEPT } from './disk.ts';
import { readSteps } from './recording.ts';
import { NO_RINGS, straceInto, straceMissing } from './strace.ts';

const missing = straceMissing();
const source = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** What is on the disk when a program of ours has run to its end, and nothing was kept that was not synced. */
async function leftBy(program: string): Promise<readonly string[]> {
  const folder = await testFolder('left');
  try {
    const [trace, root] = [join(folder, 'trace'), join(folder, 'root')];
    mkdirSync(root);
    const [file = '', ...args] = [...straceInto(trace), process.execPath, '--input-type=module', '-e', program, root];
    await run({ argv: [file, ...args], env: NO_RINGS });
    const disk = new Disk(root);
    for (const step of readSteps({ root, smtpPort: 0, traces: [trace] })) disk.step(step);
    const { files, folders } = disk.image(NOTHING_KEPT);
    return [...folders, ...files.keys()].map((path) => path.slice(root.length + 1));
  } finally {
    await removeFolder(folder);
  }
}

describe('a folder of an earlier run', { skip: missing ?? false }, () => {
  test('for content', async () => {
    const left = await leftBy(`
      import { mkdirSync, fsyncSync, openSync } from 'node:fs';
      import { ContentFiles } from ${source('spool/lmdb/content-files.ts')};
      const [root] = process.argv.slice(1);
      for (const name of ['content', 'incoming']) mkdirSync(root + '/' + name);
      fsyncSync(openSync(root, 'r'));
      mkdirSync(root + '/content/7a');
      await new ContentFiles(root + '/content', root + '/incoming').store('0000000000000000007a', Buffer.from('x'));
    `);
    assert.ok(left.includes('content/7a/0000000000000000007a'), left.join('\n'));
  });

  test('for the event log', async () => {
    const left = await leftBy(`
      import { mkdirSync } from 'node:fs';
      import { EventLog } from ${source('events/event-log.ts')};
      const [root] = process.argv.slice(1);
      mkdirSync(root + '/events');
      const log = { error() {}, warn() {}, info() {} };
      const events = await EventLog.open({ folder: root + '/events', log, clock: { now: () => 0, monotonic: () => 0 } });
      await events.append(1, '{}\\n');
      await events.close();
    `);
    assert.ok(
      left.some((path) => path.endsWith('.jsonl')),
      left.join('\n'),
    );
  });

  test('for the spool, and a new store in it', async () => {
    const left = await leftBy(`
      import { mkdirSync } from 'node:fs';
      import { openLmdbSpool } from ${source('spool/lmdb/open.ts')};
      const [root] = process.argv.slice(1);
      mkdirSync(root + '/spool');
      const log = { error() {}, warn() {}, info() {} };
      const timers = { after: () => ({ cancel() {} }) };
      await (await openLmdbSpool({ folder: root + '/spool', log, timers, onBroken() {} })).close();
    `);
    assert.ok(left.includes('spool/store/data.mdb'), left.join('\n'));
  });
});
