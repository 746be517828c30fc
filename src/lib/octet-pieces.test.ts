import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { joinedPieces, octetsOf, OctetPieces } from './octet-pieces.ts';
import { SEGMENT_OCTETS, SegmentPool } from './segment-pool.ts';

const pool = new SegmentPool(4 * SEGMENT_OCTETS);

/** In memory of its own, since it is taken over. */
function chunkOf(octets: Buffer): Buffer {
  const chunk = Buffer.allocUnsafeSlow(octets.length);
  octets.copy(chunk);
  return chunk;
}

test('all octets come out in order, whatever the split, and segments are used again (property)', () => {
  const size = fc.oneof(fc.nat(300), fc.integer({ min: 3000, max: 40_000 }), fc.integer({ min: 60_000, max: 150_000 }));
  fc.assert(
    fc.property(
      fc.array(size, { maxLength: 12 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      (sizes, takes) => {
        const pieces = new OctetPieces(pool);
        const got: Buffer[] = [];
        const want: Buffer[] = [];
        const take = (): void => {
          const taken = pieces.take();
          // What is used after it was given back, by whoever it is, shows.
          got.push(Buffer.from(joinedPieces(taken)));
          for (const piece of taken) piece.fill(0x21);
          pool.give(taken);
        };
        for (const [i, octets] of sizes.entries()) {
          const chunk = Buffer.alloc(octets, i + 1);
          want.push(chunk);
          pieces.push(chunkOf(chunk));
          if (takes[i] === true) take();
        }
        assert.equal(pieces.length + octetsOf(got), octetsOf(want));
        take();
        assert.equal(pieces.length, 0);
        assert.ok(Buffer.concat(got).equals(Buffer.concat(want)));
      },
    ),
    { numRuns: 60 },
  );
});

test('little costs little: no segment is begun for it', () => {
  const pieces = new OctetPieces(pool);
  for (let i = 0; i < 100; i += 1) pieces.push(Buffer.from('little'));
  const [piece, ...others] = pieces.take();
  assert.equal(others.length, 0);
  assert.ok((piece?.buffer.byteLength ?? Infinity) <= 8192);
});

test('a chunk that is all of its memory is freed, and a part of one is not', () => {
  const pieces = new OctetPieces(pool);
  const whole = chunkOf(Buffer.alloc(40_000, 'x'));
  const rest = chunkOf(Buffer.alloc(40_000, 'y'));
  pieces.push(whole);
  pieces.push(rest.subarray(0, 39_000));
  assert.equal(whole.length, 0);
  assert.equal(rest.subarray(39_000).toString(), 'y'.repeat(1000));
});
