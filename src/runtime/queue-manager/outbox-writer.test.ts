/** How events get from the outbox to the log when many come at once. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { queueParts, turns } from '../../../test/lib/queue-parts.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { NOTHING } from '../../spool/check.ts';
import { OutboxWriter } from './outbox-writer.ts';

const GATHER = 20;

function world() {
  const spool = new MemorySpool();
  const { clock, context } = queueParts(spool);
  const appended: string[] = [];
  const writer = new OutboxWriter({
    ...{ spool, timers: clock, log: context.log, gather: GATHER, recordPosition: async () => undefined },
    append: async (_sequence, lines) => void appended.push(lines),
  });
  const commit = async (n: number): Promise<void> => {
    await spool.settle({ ...NOTHING, events: [`{"at":${n}}`] }, 1);
    writer.poke();
    await turns();
  };
  return { clock, writer, appended, commit };
}

describe('events on their way to the log', () => {
  test('the first is written at once, those behind it wait for each other', async () => {
    const { clock, appended, commit } = world();
    await commit(1);
    assert.equal(appended.length, 1);
    await commit(2);
    await commit(3);
    assert.equal(appended.length, 1);
    clock.advance(GATHER);
    await turns();
    assert.deepEqual(appended.join(''), '{"at":1}\n{"at":2}\n{"at":3}\n');
  });

  test('after a pause the next is written at once again', async () => {
    const { clock, appended, commit } = world();
    await commit(1);
    clock.advance(GATHER);
    await turns();
    await commit(2);
    assert.equal(appended.length, 2);
  });

  test('closing waits for nothing and leaves nothing out', async () => {
    const { writer, appended, commit } = world();
    await commit(1);
    await commit(2);
    await writer.close();
    assert.equal(appended.length, 2);
    await commit(3);
    assert.equal(appended.length, 2);
  });
});
