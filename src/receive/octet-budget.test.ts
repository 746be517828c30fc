import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OctetBudget } from './octet-budget.ts';

test('octets are taken up to the limit and not beyond', () => {
  const budget = new OctetBudget(10);
  assert.equal(budget.take(10), true);
  assert.equal(budget.take(1), false);
  assert.equal(budget.used, 10);
});

test('a refused take takes nothing', () => {
  const budget = new OctetBudget(10);
  budget.take(6);
  assert.equal(budget.take(6), false);
  assert.equal(budget.take(4), true);
});

test('more than half is tight', () => {
  const budget = new OctetBudget(10);
  budget.take(5);
  assert.equal(budget.tight, false);
  budget.take(1);
  assert.equal(budget.tight, true);
});

test('giving back more than was taken is a bug that shows', () => {
  assert.throws(() => new OctetBudget(10).give(1), /only 0 were taken/);
});
