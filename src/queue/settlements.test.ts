import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Settlements } from './settlements.ts';

test('what was settled after a page was asked for is known until no such page is under way', () => {
  const settlements = new Settlements();
  settlements.add('m1/0', 0);
  const asked = settlements.count;
  settlements.add('m2/0', 1);
  const later = settlements.count;
  assert.deepEqual([settlements.has('m1/0', asked), settlements.has('m2/0', asked)], [false, true]);
  assert.equal(settlements.has('m2/0', later), false, 'the page was asked for afterwards');
  settlements.forget(asked);
  assert.equal(settlements.has('m2/0', asked), true);
  settlements.forget(later);
  assert.equal(settlements.has('m2/0', asked), false);
});
