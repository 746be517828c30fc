/**
 * What the spools in this folder hold: each was made by the first release that wrote its format.
 *
 *     node test/upgrade/spool-contents.ts test/upgrade/spool-format-<n>
 *
 * makes one; it is done once for a format and never again.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactSpool } from '../../src/spool/lmdb/maintenance.ts';
import { openLmdbSpool } from '../../src/spool/lmdb/open.ts';
import { KeptLog, HandTimers } from '../../src/spool/lmdb/scratch.contract.ts';
import { type NewMessage, type Settlement } from '../../src/spool/spool.ts';
import { entry, idOf, message, notice, rule, settlement } from '../../src/spool/spool.fixtures.contract.ts';

export const FILE_CONTENT = Buffer.from('Subject: in a file\r\n\r\nfrom another release\r\n');

export const MESSAGES: readonly NewMessage[] = [
  message(0, { entries: [{}, { lane: 'held', routingDomain: 'held.test' }], events: ['{"event":"accepted"}'] }),
  message(1, { content: Buffer.from([0, 1, 2, 0xff]), report: true, class: 'bulk' }),
  message(3),
];

export const CHANGES: readonly Partial<Settlement>[] = [
  {
    put: [
      entry(`${idOf(1)}/0`, {
        class: 'bulk',
        lane: 'deferred',
        dueAt: 123_456,
        attempts: 2,
        lastReply: '451 4.7.1 später',
        lastAttemptAt: 9,
      }),
    ],
  },
  {
    remove: [`${idOf(3)}/0`],
    notices: [notice(3, 0)],
    events: ['{"event":"failed"}'],
    rules: { put: [rule('r1')], remove: [] },
  },
];

export const FILE_MESSAGE = 2;

async function make(folder: string): Promise<void> {
  const timers = new HandTimers();
  const spool = await openLmdbSpool({ folder, log: new KeptLog(), timers, onBroken: () => process.exit(70) });
  const path = join(spool.incoming, 'upload');
  writeFileSync(path, FILE_CONTENT);
  await spool.accept(MESSAGES, 1);
  await spool.accept([{ ...message(FILE_MESSAGE), content: { kind: 'file', path, octets: FILE_CONTENT.length } }], 1);
  for (const change of CHANGES) await spool.settle(settlement(change), 1);
  await spool.close();
  await compactSpool(folder);
}

if (process.argv[1] === import.meta.filename) await make(process.argv[2] ?? '');
