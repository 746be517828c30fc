import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeNow, SEGMENT_OCTETS, SegmentPool } from './segment-pool.ts';

test('a segment that was given back is the next one taken, once', () => {
  const pool = new SegmentPool(10 * SEGMENT_OCTETS);
  const segment = pool.take();
  pool.give([segment.subarray(0, 10)]);
  pool.give([segment]);
  assert.equal(pool.take(), segment);
  assert.notEqual(pool.take(), segment);
});

test('two that are out at once share nothing', () => {
  const pool = new SegmentPool(10 * SEGMENT_OCTETS);
  assert.notEqual(pool.take().buffer, pool.take().buffer);
});

test('what is no segment is left alone', () => {
  const pool = new SegmentPool(10 * SEGMENT_OCTETS);
  const other = Buffer.allocUnsafeSlow(SEGMENT_OCTETS).fill('x');
  pool.give([other]);
  assert.equal(other.length, SEGMENT_OCTETS);
  assert.notEqual(pool.take(), other);
});

test('beyond the limit memory is freed', () => {
  const pool = new SegmentPool(2 * SEGMENT_OCTETS);
  const segments = [pool.take(), pool.take(), pool.take()];
  pool.give(segments);
  assert.deepEqual(
    segments.map(({ length }) => length),
    [SEGMENT_OCTETS, SEGMENT_OCTETS, 0],
  );
});

test('only a large buffer that is all of its memory is freed', () => {
  const whole = Buffer.allocUnsafeSlow(10_000);
  const part = Buffer.allocUnsafeSlow(10_000).subarray(0, 9000);
  const small = Buffer.allocUnsafeSlow(100);
  const pooled = Buffer.from('pooled');
  for (const buffer of [whole, part, small, pooled]) freeNow(buffer);
  assert.deepEqual([whole.length, part.length, small.length, pooled.toString()], [0, 9000, 100, 'pooled']);
});
