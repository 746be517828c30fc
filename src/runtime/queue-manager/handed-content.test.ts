import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entryOf } from '../../../test/lib/entries.ts';
import { messageOf } from '../../../test/lib/queue-parts.ts';
import { type DispatchContent } from '../../queue/dispatch.ts';
import { MemorySpool } from '../../spool/memory/memory-spool.ts';
import { idOf } from '../../spool/spool.fixtures.contract.ts';
import { HandedContent, readPart } from './handed-content.ts';
import { RecentMessages } from './recent-messages.ts';

const octets = (length: number): DispatchContent => ({ kind: 'octets', octets: Buffer.alloc(length) });

describe('content handed to workers', () => {
  test('goes along whole up to the limit of each worker', () => {
    const handed = new HandedContent(100);
    const whole = octets(60);
    assert.equal(handed.hand(0, whole), whole);
    assert.deepEqual(handed.hand(0, octets(60)), { kind: 'blocks', octets: 60 });
    assert.equal(handed.hand(0, octets(40)).kind, 'octets');
    assert.equal(handed.hand(1, octets(60)).kind, 'octets');
    handed.back(0, whole);
    assert.equal(handed.hand(0, octets(60)).kind, 'octets');
  });

  test('what was to be read in blocks, and files, are no weight', () => {
    const handed = new HandedContent(100);
    const file: DispatchContent = { kind: 'file', path: '/nowhere', octets: 1e9 };
    assert.equal(handed.hand(0, file), file);
    handed.back(0, file);
    handed.back(0, handed.hand(0, octets(101)));
    assert.equal(handed.hand(0, octets(100)).kind, 'octets');
  });
});

test('a part is read from memory, then from the spool, and is gone with the message', async () => {
  const spool = new MemorySpool();
  const recent = new RecentMessages(1e6);
  const message = messageOf([entryOf({ id: `${idOf(1)}/0` })]);
  const { octets: whole } = message.content as { octets: Uint8Array };
  const read = async (at: number, length: number): Promise<string | undefined> => {
    const part = await readPart({ message: message.id, at, octets: length }, { recent, spool });
    // Memory of its own: it is given away.
    assert.ok(part === undefined || part.buffer.byteLength === part.length);
    return part === undefined ? undefined : Buffer.from(part).toString();
  };
  assert.equal(await read(0, 10), undefined);
  recent.keep(message, undefined, 0);
  assert.equal(await read(3, 10), Buffer.from(whole).toString('utf8', 3, 13));
  recent.forget(message.id);
  await spool.accept([message], 1);
  assert.equal(await read(3, 10), Buffer.from(whole).toString('utf8', 3, 13));
  assert.equal(await read(whole.length - 2, 10), Buffer.from(whole).toString('utf8', whole.length - 2));
});
