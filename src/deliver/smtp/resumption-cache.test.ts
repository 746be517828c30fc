import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { DAY, HOUR, MINUTE } from '../../lib/time.ts';
import { type Resumable, ResumptionCache } from './resumption-cache.ts';

let monotonic = 0;
let wall = 0;
let cache: ResumptionCache;

const clock = { now: () => wall, monotonic: () => monotonic };

function resumable(name: string, more: Partial<Resumable> = {}): Resumable {
  const proof = { name: 'TLSv1.3', verified: false };
  return { session: Buffer.from(name), use: 'once', proof, at: monotonic, certifiedUntil: Infinity, ...more };
}

function taken(key = 'a'): string | undefined {
  const found = cache.take(key);
  return found && String(found.session);
}

beforeEach(() => {
  monotonic = 1000;
  wall = 50 * DAY;
  cache = new ResumptionCache(clock, { lifetime: HOUR, sessions: 6 });
});

describe('sessions that may be resumed', () => {
  test('one that is used once is gone, and the newest goes first', () => {
    for (const name of ['1', '2']) cache.keep('a', resumable(name));
    assert.deepEqual([taken(), taken(), taken()], ['2', '1', undefined]);
  });

  test('one that may be used often stays, and stands for those before it', () => {
    cache.keep('a', resumable('1', { use: 'often' }));
    cache.keep('a', resumable('2', { use: 'often' }));
    assert.deepEqual([taken(), taken(), cache.size], ['2', '2', 1]);
  });

  test('nobody gets one that was kept under another key', () => {
    cache.keep('a', resumable('1'));
    assert.equal(taken('b'), undefined);
  });

  test('a lifetime is counted from the full handshake', () => {
    cache.keep('a', resumable('1'));
    monotonic += HOUR - 1;
    cache.keep('a', resumable('resumed from it', { at: 1000 }));
    assert.equal(taken(), 'resumed from it');
    monotonic += 1;
    assert.equal(taken(), undefined);
    cache.keep('a', resumable('too late', { at: 1000 }));
    assert.equal(cache.size, 0);
  });

  test('what was proved of a certificate ends with it', () => {
    const verified = {
      proof: { name: 'TLSv1.3', verified: true },
      certifiedUntil: wall + MINUTE,
      use: 'often',
    } as const;
    cache.keep('a', resumable('1', verified));
    assert.equal(taken(), '1');
    wall += MINUTE;
    assert.equal(taken(), undefined);
  });

  test('where nothing was proved nothing ends', () => {
    cache.keep('a', resumable('1', { certifiedUntil: wall - MINUTE }));
    assert.equal(taken(), '1');
  });

  test('what is dropped is gone, and what comes next is kept', () => {
    cache.keep('a', resumable('1'));
    cache.drop('a');
    assert.equal(taken(), undefined);
    cache.keep('a', resumable('2'));
    assert.equal(taken(), '2');
  });

  test('where a connection broke nothing is kept for a while', () => {
    for (const key of ['a', 'b']) cache.keep(key, resumable('1'));
    cache.distrust('a');
    cache.keep('a', resumable('2'));
    assert.deepEqual([taken('a'), taken('b')], [undefined, '1']);
    monotonic += HOUR;
    cache.keep('a', resumable('3'));
    assert.equal(taken('a'), '3');
  });

  test('of one server four are kept, and of all as many as there may be', () => {
    for (const name of ['1', '2', '3', '4', '5']) cache.keep('a', resumable(name));
    assert.equal(cache.size, 4);
    for (const name of ['1', '2', '3']) cache.keep('b', resumable(name));
    assert.deepEqual([cache.size, taken('a'), taken('b')], [3, undefined, '3']);
  });

  test('one that is too great is not kept', () => {
    cache.keep('a', resumable('x'.repeat(16_385)));
    assert.equal(cache.size, 0);
    cache.keep('a', resumable('x'.repeat(16_384)));
    assert.equal(cache.size, 1);
  });
});
