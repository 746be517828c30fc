/** This release opens the spool of each earlier one and finds everything in it. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSpool } from '../../src/spool/lmdb/maintenance.ts';
import { FORMAT } from '../../src/spool/lmdb/state.ts';
import { scratch } from '../../src/spool/lmdb/scratch.contract.ts';
import {
  entry,
  idOf,
  laneOf,
  message,
  notice,
  Reader,
  rule,
  settlement,
} from '../../src/spool/spool.fixtures.contract.ts';
import { CHANGES, FILE_CONTENT, FILE_MESSAGE, MESSAGES } from './spool-contents.ts';

const HERE = import.meta.dirname;
const spools = readdirSync(HERE).filter((name) => name.startsWith('spool-format-'));

test('there is a spool of every format up to this one', () => {
  assert.deepEqual(
    spools.sort(),
    Array.from({ length: FORMAT }, (_, i) => `spool-format-${i + 1}`),
  );
});

for (const name of spools)
  test(`${name} is opened, read and worked on`, async () => {
    const here = scratch();
    mkdirSync(here.folder, { mode: 0o700 });
    cpSync(join(HERE, name), here.folder, { recursive: true });
    let spool = await here.open();
    const read = new Reader(() => spool, 2);
    const [first, second] = MESSAGES;
    const moved = CHANGES[0]?.put?.[0];
    assert.ok(first !== undefined && second !== undefined && moved !== undefined);
    assert.deepEqual(await read.entries(), [...first.entries, moved, ...message(FILE_MESSAGE).entries]);
    assert.deepEqual((await spool.message(idOf(1)))?.envelope, second.envelope);
    assert.deepEqual(await read.octets(idOf(1)), Buffer.from([0, 1, 2, 0xff]));
    assert.deepEqual(await read.octets(idOf(FILE_MESSAGE)), FILE_CONTENT);
    assert.deepEqual(await read.due(laneOf(moved)), [moved]);
    assert.deepEqual(await read.notices(), [[notice(3, 0)]]);
    assert.deepEqual(await spool.rules(), [rule('r1')]);
    assert.deepEqual(await read.outbox(), { sequences: [1, 2], lines: '{"event":"accepted"}\n{"event":"failed"}\n' });
    await spool.settle(settlement({ remove: [moved.id, `${idOf(FILE_MESSAGE)}/0`], put: [entry(`${idOf(0)}/7`)] }), 1);
    await spool.close();
    assert.deepEqual((await checkSpool(here.folder)).problems, []);
    spool = await here.open();
    assert.equal((await read.entries()).length, 3);
    await spool.close();
    here.remove();
  });
