import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Lru } from './lru.ts';

describe('Lru', () => {
  test('the least recently used goes first', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    assert.equal(lru.get('a'), 1);
    lru.set('c', 3);
    assert.equal(lru.get('b'), undefined);
    assert.deepEqual(
      [...lru.entries()],
      [
        ['a', 1],
        ['c', 3],
      ],
    );
  });
  test('setting again counts as use and replaces', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    lru.set('a', 3);
    lru.set('c', 4);
    assert.deepEqual(
      [...lru.entries()],
      [
        ['a', 3],
        ['c', 4],
      ],
    );
  });
  test('the limit may be a weight', () => {
    const lru = new Lru<string, string>(10, (value, key) => value.length + key.length);
    lru.set('a', '1234');
    lru.set('b', '1234');
    assert.equal(lru.weight, 10);
    lru.set('c', '12345');
    assert.deepEqual([...lru.entries()], [['c', '12345']]);
  });
  test('what is too heavy is not kept, nor is what it replaces', () => {
    const lru = new Lru<string, string>(4, (value) => value.length);
    lru.set('a', '12');
    lru.set('b', '12');
    lru.set('a', '12345');
    assert.deepEqual([...lru.entries()], [['b', '12']]);
    assert.equal(lru.weight, 2);
  });
  test('a limit of nothing keeps nothing', () => {
    const lru = new Lru<string, string>(0);
    lru.set('a', 'x');
    assert.equal(lru.size, 0);
  });
  test('clearing forgets order and weight', () => {
    const lru = new Lru<number, number>(3);
    for (let i = 0; i < 3; i++) lru.set(i, i);
    lru.clear();
    assert.equal(lru.weight, 0);
    lru.set(7, 7);
    assert.deepEqual([...lru.entries()], [[7, 7]]);
  });
  test('a hundred thousand entries come and go', () => {
    const lru = new Lru<number, number>(1000);
    for (let i = 0; i < 100_000; i++) lru.set(i, i);
    assert.equal(lru.size, 1000);
    assert.equal(lru.get(99_000), 99_000);
    assert.equal(lru.get(98_999), undefined);
  });
  test('behaves like a list kept in order of use', () => {
    const step = fc.tuple(
      fc.constantFrom('get', 'set', 'delete'),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 4 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lru = new Lru<number, number>(6, (value) => value);
        let model: (readonly [number, number])[] = [];
        for (const [what, key, value] of steps) {
          const had = model.find(([k]) => k === key);
          if (what === 'get') assert.equal(lru.get(key), had?.[1]);
          else if (what === 'set') lru.set(key, value);
          else assert.equal(lru.delete(key), had !== undefined);
          if (what === 'get' && had === undefined) continue;
          model = model.filter(([k]) => k !== key);
          if (what === 'get' && had !== undefined) model.push(had);
          if (what === 'set') {
            while (model.reduce((sum, [, v]) => sum + v, value) > 6) model.shift();
            model.push([key, value]);
          }
          assert.deepEqual([...lru.entries()], model);
          assert.equal(lru.size, model.length);
          assert.equal(
            lru.weight,
            model.reduce((sum, [, v]) => sum + v, 0),
          );
        }
      }),
    );
  });
});
