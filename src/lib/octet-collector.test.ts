import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OctetCollector } from './octet-collector.ts';

test('what is pushed comes out in order, whatever the split', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 8 }), (chunks) => {
      const collector = new OctetCollector();
      for (const chunk of chunks) collector.push(Buffer.from(chunk));
      assert.deepEqual(collector.view(), Buffer.concat(chunks));
    }),
    { numRuns: 30 },
  );
});

test('the caller may reuse its chunk', () => {
  const collector = new OctetCollector();
  const chunk = Buffer.from('before');
  collector.push(chunk);
  chunk.write('after!');
  assert.equal(collector.view().toString(), 'before');
});

test('taking hands over and empties', () => {
  const collector = new OctetCollector();
  collector.push(Buffer.from('one'));
  const taken = collector.take();
  collector.push(Buffer.from('two'));
  assert.equal(taken.toString(), 'one');
  assert.equal(collector.view().toString(), 'two');
});
