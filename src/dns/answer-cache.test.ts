import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AnswerCache, type AnyAnswer } from './answer-cache.ts';

function setUp(maxOctets = 1_000_000) {
  let at = 0;
  const clock = { now: () => 0, monotonic: () => at };
  return { cache: new AnswerCache(clock, maxOctets), move: (seconds: number) => void (at += seconds * 1000) };
}

const found: AnyAnswer = { kind: 'found', records: ['192.0.2.1'], ttl: 60, authenticated: true };

describe('AnswerCache', () => {
  test('keeps an answer for its TTL and counts it down', () => {
    const { cache, move } = setUp();
    cache.set('a', found);
    assert.deepEqual(cache.get('a'), found);
    move(20.5);
    assert.deepEqual(cache.get('a'), { ...found, ttl: 39 });
    move(39.5);
    assert.equal(cache.get('a'), undefined);
  });
  test('keeps negative answers', () => {
    const { cache, move } = setUp();
    cache.set('a', { kind: 'noName', ttl: 10, authenticated: false });
    cache.set('b', { kind: 'noData', ttl: 30, authenticated: true });
    move(10);
    assert.equal(cache.get('a'), undefined);
    assert.deepEqual(cache.get('b'), { kind: 'noData', ttl: 20, authenticated: true });
  });
  test('keeps a failure for five seconds', () => {
    const { cache, move } = setUp();
    cache.set('a', { kind: 'temporary', reason: 'SERVFAIL' });
    move(4.9);
    assert.deepEqual(cache.get('a'), { kind: 'temporary', reason: 'SERVFAIL' });
    move(0.1);
    assert.equal(cache.get('a'), undefined);
  });
  test('a TTL of zero is not kept, and ends what was', () => {
    const { cache } = setUp();
    cache.set('a', found);
    cache.set('a', { ...found, ttl: 0 });
    assert.equal(cache.get('a'), undefined);
  });
  test('names of prototype members are keys like others', () => {
    const { cache } = setUp();
    assert.equal(cache.get('__proto__'), undefined);
    cache.set('__proto__', found);
    assert.deepEqual(cache.get('__proto__'), found);
  });
  test('is bounded by what the records weigh', () => {
    const { cache } = setUp(10_000);
    for (let i = 0; i < 1000; i++) cache.set(`TXT ${i}`, { ...found, records: ['x'.repeat(1000)] } as AnyAnswer);
    assert.equal(cache.get('TXT 0'), undefined);
    assert.notEqual(cache.get('TXT 999'), undefined);
    const kept = Array.from({ length: 1000 }, (_, i) => cache.get(`TXT ${i}`)).filter((answer) => answer !== undefined);
    assert.ok(kept.length >= 3 && kept.length <= 5, String(kept.length));
  });
  test('is emptied at once', () => {
    const { cache } = setUp();
    cache.set('a', found);
    cache.clear();
    assert.equal(cache.get('a'), undefined);
  });
});
