import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeQueueId, parseQueueId, timeOf } from './queue-id.ts';

const parts = { now: 1_795_000_000_000, maker: 3, counter: 7, chance: 0.5 };

test('an id is 20 characters that a parser takes back', () => {
  const id = makeQueueId(parts);
  assert.equal(id.length, 20);
  assert.equal(parseQueueId(id), id);
});

test('ids sort by time', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 47), fc.nat(2 ** 47), (a, b) => {
      const [first, second] = [makeQueueId({ ...parts, now: a }), makeQueueId({ ...parts, now: b })];
      if (a < b) assert.ok(first < second);
    }),
  );
});

test('the time can be read back', () => assert.equal(timeOf(makeQueueId(parts)), parts.now));

test('two makers, and two counts of one, never make the same id', () => {
  const ids = [parts, { ...parts, maker: 4 }, { ...parts, counter: 8 }].map(makeQueueId);
  assert.equal(new Set(ids).size, 3);
});

for (const text of ['', '0abc', 'UPPERCASE00000000000', '../../../etc/passwd0', 'iiiiiiiiiiiiiiiiiiii', '0'.repeat(21)])
  test(`"${text}" is no id`, () => assert.equal(parseQueueId(text), undefined));
