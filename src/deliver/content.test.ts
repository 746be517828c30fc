import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASKED_OCTETS, outgoingContent, readWhole } from './content.ts';

const WHOLE = Buffer.from(Array.from({ length: ASKED_OCTETS * 2 + 5 }, (_, i) => i % 251));

test('content that is kept elsewhere is asked for block by block, one at a time', async () => {
  const asked: [number, number][] = [];
  const content = outgoingContent({ kind: 'blocks', octets: WHOLE.length }, async (at, octets) => {
    asked.push([at, octets]);
    return WHOLE.subarray(at, at + octets);
  });
  assert.equal(content.memory, undefined);
  assert.equal(content.octets, WHOLE.length);
  const blocks = content.blocks();
  assert.equal(asked.length, 0);
  await blocks.next();
  assert.equal(asked.length, 1);
  assert.ok((await readWhole(content)).equals(WHOLE), 'from the beginning again');
  assert.deepEqual(asked.slice(1), [
    [0, ASKED_OCTETS],
    [ASKED_OCTETS, ASKED_OCTETS],
    [ASKED_OCTETS * 2, 5],
  ]);
});

test('content that is gone, or has become shorter, cannot be read', async () => {
  const gone = outgoingContent({ kind: 'blocks', octets: 10 }, () => Promise.reject(new Error('gone')));
  await assert.rejects(readWhole(gone), /gone/);
  const short = outgoingContent({ kind: 'blocks', octets: 10 }, async (at) => WHOLE.subarray(at, 5));
  await assert.rejects(readWhole(short), /ends at octet 5 of 10/);
});
